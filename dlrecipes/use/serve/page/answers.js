// How an answer is shown: one display for each kind of answer. Each returns its elements.

import { make } from './make.js';

const MOST_CLASSES = 12;

export const displays = { classes, number, text, mask, picture, table };

const percent = share => `${(100 * share).toFixed(1)}%`;

// Bars in the order of the classes, so that they stay in place; of many classes, the likeliest.
function classes({ shown, words, seen }) {
  let rows = shown.probabilities;
  if (rows.length > MOST_CLASSES)
    rows = [...rows].sort((one, other) => other[1] - one[1]).slice(0, MOST_CLASSES);
  const bars = rows.map(([name, share]) => {
    const fill = make('i');
    fill.style.width = percent(share);
    return make('li', { className: name === shown.label ? 'likely' : '' },
      make('span', {}, name), make('span', { className: 'bar', ariaHidden: 'true' }, fill), make('output', {}, percent(share)));
  });
  return [
    make('p', { className: 'large', id: 'label' }, shown.label),
    make('ul', { className: 'bars', ariaLabel: 'Probabilities' }, ...bars),
    ...(shown.rule ? [make('p', { className: 'quiet' }, shown.rule)] : []),
    ...(seen ? [seenBy(seen)] : []),
    ...(words?.length ? [wordByWord(words, shown.label)] : []),
  ];
}

const seenBy = seen => make('figure', { className: 'seen' },
  make('img', { className: 'pixels', src: seen, alt: 'The picture as the model takes it' }),
  make('figcaption', { className: 'quiet' }, 'What the model sees'));

// Each word in the colour of what it adds to the answer's probability.
function wordByWord(words, label) {
  const most = Math.max(...words.map(one => Math.abs(one.adds)), 0.01);
  const spans = words.map(one => {
    const span = make('span', {}, one.word);
    const colour = one.adds >= 0 ? '--more' : '--less';
    span.style.backgroundColor = `rgba(var(${colour}), ${(0.45 * Math.abs(one.adds) / most).toFixed(3)})`;
    const points = (100 * one.adds).toFixed(1);
    span.title = `${points > 0 ? '+' : ''}${points} percentage points${one.is_unknown ? '; not in the training data' : ''}`;
    if (one.is_unknown) span.className = 'unknown';
    return span;
  });
  return make('div', { className: 'words' },
    make('p', { className: 'quiet' },
      `Blue words raise the probability of ${label}, orange words lower it. `
      + 'Words underlined with dashes are not in the training data.'),
    make('p', { id: 'words' }, ...spans));
}

function number({ shown }, about) {
  const target = about.widget.target;
  return [
    ...(target ? [make('p', { className: 'quiet' }, target)] : []),
    make('p', { className: 'large', id: 'label' }, shown.number),
  ];
}

function text({ shown }) {
  return [make('p', { className: 'written', id: 'written' }, make('b', {}, shown.prompt), shown.added)];
}

// The mask lies over the photo, as far as the browser can show it; else over what the model sees.
function mask({ shown, seen }, about, chosen) {
  const below = make('img', { alt: 'The photo', src: seen });
  const above = make('img', { alt: 'The mask', src: shown.image });
  if (chosen) {
    const url = URL.createObjectURL(chosen);
    below.addEventListener('error', () => { below.src = seen; }, { once: true });
    below.addEventListener('load', () => URL.revokeObjectURL(url), { once: true });
    below.src = url;
  }
  const slider = make('input', { type: 'range', min: 0, max: 100, value: 50, id: 'opacity' });
  const fade = () => { above.style.opacity = slider.value / 100; };
  slider.addEventListener('input', fade);
  fade();
  const legend = shown.legend.map(one => {
    const swatch = make('span', { className: 'swatch' });
    swatch.style.backgroundColor = one.colour;
    return make('li', {}, swatch, `${one.name} ${percent(one.share)}`);
  });
  return [
    make('div', { className: 'layers' }, below, above),
    make('p', {}, make('label', { htmlFor: 'opacity' }, 'Opacity of the mask'), slider),
    make('ul', { className: 'legend', ariaLabel: 'Shares of the pixels' }, ...legend),
  ];
}

function picture({ shown }) {
  return [make('img', { className: 'made', src: shown.image, alt: 'The picture that the model drew' })];
}

function table({ shown }) {
  const cells = (tag, texts) => make('tr', {}, ...texts.map(one => make(tag, {}, one)));
  return [make('table', {}, make('thead', {}, cells('th', shown.titles)), make('tbody', {}, cells('td', shown.cells)))];
}

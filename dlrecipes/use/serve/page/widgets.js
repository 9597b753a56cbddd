// What an input is given with: one widget for each kind of input.
//
// A widget is a function of its description, a function that is called with each new input, and a
// function that shows a sentence. It returns its elements, and `fill`, which takes an example.

import { Drawing } from './drawing.js';
import { make } from './make.js';

const MOST_BYTES = 20_000_000;

export const widgets = { canvas, textarea, prompt, form, file, button };

function canvas(about, give, say) {
  const sheet = make('canvas', {
    className: 'sheet', tabIndex: 0, role: 'application',
    ariaLabel: 'Sheet to draw on with mouse, pen or finger. With the keyboard, the arrow keys move '
      + 'the pen, and the space bar puts it down and lifts it.',
  });
  const waiting = make('p', { className: 'quiet' }, 'Draw with mouse, pen or finger.');
  const drawing = new Drawing(sheet, about, () => {
    waiting.textContent = drawing.isEmpty ? 'Draw with mouse, pen or finger.' : 'Keep drawing: the answer updates as you draw.';
    if (drawing.isEmpty) give(null);
    else give(() => ({ file: { name: 'drawing.png', content: drawing.picture() } }));
  });
  const pen = make('input', { type: 'range', min: 2, max: 16, value: drawing.pen, id: 'pen' });
  pen.addEventListener('input', () => drawing.use('pen', Number(pen.value)));
  const paper = make('select', { id: 'paper' },
    make('option', { value: 'dark' }, 'light on dark'), make('option', { value: 'light' }, 'dark on light'));
  paper.value = drawing.paper;
  paper.addEventListener('change', () => drawing.use('paper', paper.value));
  const press = (text, act) => make('button', { type: 'button', onclick: act }, text);
  const photo = file(about, give, say);
  return {
    elements: [
      make('h2', {}, 'Draw'), sheet, waiting,
      make('div', { className: 'row' }, press('Clear', () => drawing.clear()), press('Undo', () => drawing.undo()),
        make('label', {}, 'Ink ', paper)),
      make('div', { className: 'row' }, make('label', { htmlFor: 'pen' }, 'Pen'), make('span', { className: 'grow' }, pen)),
      ...photo.elements,
    ],
    fill: give.once,
  };
}

function textarea(about, give) {
  const box = make('textarea', { id: 'text', rows: 6, spellcheck: true, placeholder: 'Type a sentence' });
  const changed = () => give(box.value.trim() ? () => ({ text: box.value }) : null);
  box.addEventListener('input', changed);
  return {
    elements: [make('h2', {}, make('label', { htmlFor: 'text' }, 'Text')), box],
    fill: example => { box.value = example.text; changed(); box.focus(); },
  };
}

function prompt(about, give, say, options) {
  const box = make('textarea', { id: 'text', rows: 4, placeholder: 'Begin a text' });
  const write = make('button', { type: 'button', className: 'main' }, 'Continue');
  const values = optionFields(options);
  const begin = () => {
    if (box.value) give.once({ text: box.value }, values.read());
    else say('Type the beginning of a text first.');
  };
  write.addEventListener('click', begin);
  box.addEventListener('keydown', event => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) begin();
  });
  const stop = make('button', { type: 'button', onclick: give.stop }, 'Stop');
  return {
    elements: [
      make('h2', {}, make('label', { htmlFor: 'text' }, 'Prompt')), box,
      make('div', { className: 'fields' }, ...values.elements),
      make('div', { className: 'row' }, write, stop),
    ],
    fill: example => { box.value = example.text; begin(); },
  };
}

// The fields of the options of an answer, and what they hold.
function optionFields(options) {
  const inputs = Object.entries(options).map(([name, { value, low, high }]) => {
    const isWhole = Number.isInteger(low) && name !== 'temperature';
    return make('input', { type: 'number', id: `option-${name}`, name, min: low, max: high, step: isWhole ? 1 : 0.1, value });
  });
  return {
    elements: inputs.map(input => make('div', { className: 'field' }, make('label', { htmlFor: input.id }, input.name), input)),
    read: () => Object.fromEntries(inputs.filter(one => one.value !== '').map(one => [one.name, Number(one.value)])),
  };
}

function form(about, give) {
  const fields = about.fields.map((field, number) => formField(field, `field-${number}`, () => changed()));
  const changed = () => give(() => ({
    columns: Object.fromEntries(fields.map(field => [field.name, field.input.value])),
  }));
  return {
    elements: [
      make('h2', {}, 'Row'),
      make('div', { className: 'fields' }, ...fields.map(field => field.element)),
    ],
    fill: example => {
      for (const field of fields) field.set(example.columns[field.name] ?? '');
      changed();
    },
    startsWithExample: true,
  };
}

function formField(field, id, changed) {
  const label = make('label', { htmlFor: id }, field.name);
  const controls = [];
  let input, slider;
  if (field.choices?.length && field.choices.length < 50) {
    const values = ['', ...field.choices];
    input = make('select', { id }, ...values.map(value => make('option', { value }, value || '(missing)')));
  } else if (field.kind === 'numbers') {
    input = make('input', { id, type: 'number', step: 'any' });
    if (field.low < field.high) {
      const step = field.step || (field.high - field.low) / 200;
      slider = make('input', { type: 'range', min: field.low, max: field.high, step, ariaLabel: `${field.name}, slider` });
      slider.addEventListener('input', () => { input.value = shortest(Number(slider.value)); changed(); });
      controls.push(slider, make('div', { className: 'range quiet' },
        make('span', {}, shortest(field.low)), make('span', {}, shortest(field.high))));
    }
  } else {
    input = make('input', { id, type: 'text', placeholder: field.low ? `${field.low} to ${field.high}` : '' });
    if (field.choices?.length) {
      input.setAttribute('list', `${id}-list`);
      controls.push(make('datalist', { id: `${id}-list` }, ...field.choices.map(value => make('option', { value }))));
    }
  }
  input.addEventListener('input', () => { if (slider) slider.value = input.value; changed(); });
  const set = value => {
    // A value that is none of the choices is a choice, too.
    if (input.tagName === 'SELECT' && ![...input.options].some(one => one.value === value))
      input.append(make('option', { value }, value));
    input.value = value;
    if (slider) slider.value = value;
  };
  return { name: field.name, input, set, element: make('div', { className: 'field' }, label, input, ...controls) };
}

const shortest = number => String(Number(number.toPrecision(6)));

function file(about, give, say) {
  const input = make('input', { type: 'file', id: 'file', accept: about.accept });
  const take = async chosen => {
    if (!chosen) return;
    if (chosen.size > MOST_BYTES) { say(`${chosen.name} is larger than 20 MB.`); return; }
    const content = await base64(chosen);
    give.once({ file: { name: chosen.name, content } }, {}, chosen);
  };
  input.addEventListener('change', () => take(input.files[0]));
  const drop = make('div', { className: 'drop' },
    make('label', { htmlFor: 'file' }, about.accept ? 'Choose a photo, or drop one here' : 'Choose a file, or drop one here'),
    make('div', { className: 'row' }, input));
  const over = isOver => event => { event.preventDefault(); drop.classList.toggle('over', isOver); };
  drop.addEventListener('dragover', over(true));
  drop.addEventListener('dragleave', over(false));
  drop.addEventListener('drop', event => { over(false)(event); take(event.dataTransfer.files[0]); });
  return { elements: [make('h2', {}, about.accept ? 'Photo' : 'File'), drop], fill: give.once };
}

const base64 = chosen => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.addEventListener('load', () => done(reader.result.split(',')[1] ?? ''));
  reader.addEventListener('error', () => failed(reader.error));
  reader.readAsDataURL(chosen);
});

function button(about, give, say) {
  const seed = make('input', { type: 'number', id: 'seed', min: 0, max: about.highest, step: 1, value: 0 });
  const draw = () => {
    if (seed.value !== '' && seed.validity.valid) give.once({ seed: Number(seed.value) });
    else say(`The seed must be a whole number from 0 to ${about.highest}.`);
  };
  const another = () => { seed.value = Math.floor(Math.random() * 1_000_000); draw(); };
  return {
    elements: [
      make('h2', {}, 'Draw a picture'),
      make('div', { className: 'row' }, make('label', { htmlFor: 'seed' }, 'Seed'), seed),
      make('div', { className: 'row' },
        make('button', { type: 'button', className: 'main', onclick: draw }, 'Draw'),
        make('button', { type: 'button', onclick: another }, 'Another seed')),
    ],
    fill: example => { seed.value = example.seed; draw(); },
  };
}

// The page to try a model: asks the server what to show, and shows what it answers.

import { displays } from './answers.js';
import { make } from './make.js';
import { widgets } from './widgets.js';

const GONE = 'The server does not answer. Start it again with: dlrecipes try RUN';
const PAUSE = 60; // milliseconds between what you do and the question to the server
const at = id => document.getElementById(id);

// The sentence of an answer that is an error.
async function why(response) {
  try {
    const { error, detail } = await response.json();
    return error || (typeof detail === 'string' ? detail : '') || `The server answered ${response.status}.`;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw error.name === 'AbortError' ? error : new Error(GONE);
  }
  if (!response.ok) throw new Error(await why(response));
  return response;
}

class Page {
  // Of models that are chosen one after the other, the last is shown. Until it is, the page stays
  // with the one before; whatever that was asked last is not answered.
  async open(name) {
    this.opening?.abort();
    const { signal } = this.opening = new AbortController();
    at('input').setAttribute('aria-busy', 'true');
    const path = `try/${encodeURIComponent(name)}`;
    const about = await (await ask(path, { signal })).json();
    this.wanted = null;
    this.asking?.abort();
    Object.assign(this, { path, about });
    at('task').textContent = `${this.about.model} · ${this.about.task}`;
    document.title = `Try ${this.about.model}`;
    const give = Object.assign(input => this.#soon(input), {
      once: (input, options, chosen) => this.#now(input, options, chosen),
      stop: () => this.asking?.abort(),
    });
    const widget = widgets[this.about.widget.kind] ?? widgets.file;
    this.widget = widget(this.about.widget, give, sentence => this.#say(sentence), this.about.options);
    at('input').replaceChildren(...this.widget.elements);
    at('main').className = this.about.widget.kind;
    this.#clear();
    this.#showExamples();
    at('input').setAttribute('aria-busy', 'false');
    if (this.widget.startsWithExample && this.about.examples.length) this.widget.fill(this.about.examples[0].input);
  }

  #clear() {
    at('answer').replaceChildren(make('p', { className: 'quiet' }, 'There is no input yet.'));
    at('note').textContent = '';
    this.#say('');
    this.#busy(false);
  }

  #say(sentence) { at('trouble').textContent = sentence; }

  #busy(isBusy) { at('answer').setAttribute('aria-busy', String(isBusy)); }

  // An answer to something else must not stand beside an error.
  #fail(sentence) {
    this.#clear();
    this.#say(sentence);
  }

  #showExamples() {
    const { examples } = this.about;
    at('more').hidden = !examples.length;
    at('examples').className = examples.some(({ input }) => 'text' in input || 'columns' in input) ? 'wide' : '';
    at('examples').replaceChildren(...examples.map((example, number) => make('li', {}, this.#example(example, number))));
  }

  #example({ input, shown }, number) {
    const button = make('button', { type: 'button', onclick: () => this.widget.fill(input) });
    const label = `Example ${number + 1}`;
    if (shown.image) {
      button.append(make('img', { src: shown.image, alt: label }));
    } else if (shown.columns) {
      button.append(Object.entries(shown.columns).slice(0, 4).map(([name, value]) => `${name} ${value || '(missing)'}`).join(', '));
    } else if ('seed' in input) {
      button.append(`Seed ${input.seed}`);
    } else {
      button.append('text' in input ? input.text.slice(0, 120) : label);
    }
    return button;
  }

  // The answer to an input that changes as you draw or type: one question at a time, and always the
  // last input. `input` is a function that returns it; null if there is none.
  #soon(input) {
    this.wanted = input;
    if (input) {
      this.#busy(true);
      this.timer ??= setTimeout(() => this.#next(), PAUSE);
      return;
    }
    this.asking?.abort();
    this.#clear();
  }

  async #next() {
    try {
      while (this.wanted) {
        const input = this.wanted;
        this.wanted = null;
        await this.#now(input());
      }
    } finally {
      this.timer = null;
    }
  }

  // The answer to an input; whatever was asked before is no longer wanted.
  async #now(input, options = {}, chosen = null) {
    this.asking?.abort();
    const asking = this.asking = new AbortController();
    this.#busy(true);
    const streams = this.about.display === 'text';
    this.#say('');
    try {
      const response = await ask(this.path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: streams ? 'text/event-stream' : 'application/json' },
        body: JSON.stringify({ input, options }),
        signal: asking.signal,
      });
      if (streams) await this.#stream(response, input.text);
      else this.#show(await response.json(), chosen);
    } catch (error) {
      if (error.name !== 'AbortError') this.#fail(error.message);
    }
    if (this.asking === asking && !this.wanted) this.#busy(false);
  }

  #show(answer, chosen) {
    const display = displays[this.about.display] ?? displays.table;
    at('answer').replaceChildren(...display(answer, this.about, chosen));
    at('note').textContent = answer.prediction.note ?? '';
  }

  async #stream(response, prompt) {
    const written = make('p', { className: 'written', id: 'written', ariaLive: 'off' }, make('b', {}, prompt));
    at('answer').replaceChildren(written);
    for await (const { event, data } of events(response)) {
      if (event === 'end') return;
      if (event === 'error') throw new Error(data);
      written.append(data);
    }
    throw new Error(GONE);
  }
}

// The server-sent events of a response.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      throw error.name === 'AbortError' ? error : new Error(GONE);
    }
    if (part.done) return;
    const whole = (rest + part.value).split('\n\n');
    rest = whole.pop();
    for (const block of whole) {
      const lines = Object.fromEntries(block.split('\n').map(line => line.split(/: (.*)/s, 2)));
      yield { event: lines.event ?? 'message', data: lines.data ? JSON.parse(lines.data) : '' };
    }
  }
}

async function start() {
  const page = new Page();
  const { models } = await (await ask('try')).json();
  at('model').replaceChildren(...models.map(name => make('option', { value: name }, name)));
  at('choose').hidden = models.length < 2;
  const open = async name => {
    try {
      await page.open(name);
    } catch (error) {
      if (error.name === 'AbortError') return;
      at('input').setAttribute('aria-busy', 'false');
      at('trouble').textContent = error.message;
    }
  };
  at('model').addEventListener('change', () => open(at('model').value));
  if (models.length) await open(models[0]);
  else at('waiting').textContent = 'The server has no model.';
}

start().catch(error => { at('trouble').textContent = error.message; at('waiting').remove(); });

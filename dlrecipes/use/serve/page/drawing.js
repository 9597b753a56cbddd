// A sheet to draw on with mouse, pen or finger, and the picture of what was drawn.

const SHEET = 560; // pixels a side of the sheet on which strokes are drawn
const DETAIL = 8; // pixels of the picture that is sent for each pixel that the model takes
const PEN = 8; // per cent of a side
const STEP = 3; // of the pen that is moved with the keyboard, per cent of a side
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Drawing {
  // `widget` says what the training images look like: their shape, paper and frame.
  constructor(canvas, widget, changed) {
    Object.assign(this, { canvas, widget, changed, paper: widget.paper, pen: PEN, strokes: [] });
    canvas.width = canvas.height = SHEET;
    this.context = canvas.getContext('2d');
    canvas.addEventListener('pointerdown', event => this.#begin(event));
    canvas.addEventListener('pointermove', event => this.#move(event));
    for (const name of ['pointerup', 'pointercancel'])
      canvas.addEventListener(name, () => { this.pointer = null; });
    canvas.addEventListener('keydown', event => this.#key(event));
    this.show();
  }

  get isEmpty() { return this.strokes.length === 0; }

  clear() { this.#without(this.strokes.length); }

  undo() { this.#without(1); }

  use(name, value) { this[name] = value; this.show(); if (!this.isEmpty) this.changed(); }

  show() {
    paint(this.context, SHEET, SHEET, this, this.strokes.map(line => scaled(line, SHEET / 100)));
    if (this.cursor) this.#showCursor();
  }

  // The picture as a PNG file in base64.
  //
  // MNIST's digits were scaled until their longer side was 20 pixels, and put into 28 by 28 with
  // their centre of mass in the middle. A drawing must be given that frame too, wherever and however
  // large it stands on the sheet: the network has never seen another. `widget.frame` is the share of
  // the side that the training images' ink has; without one, the sheet is sent as it is. The strokes
  // are drawn again rather than their pixels enlarged, so the pen keeps its width.
  picture() {
    const { width, height, frame } = this.widget;
    const side = Math.max(width, height) * DETAIL;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width * DETAIL, height * DETAIL];
    const context = canvas.getContext('2d', { willReadFrequently: true });
    let lines = this.strokes.map(line => scaled(line, side / 100));
    if (frame) {
      lines = framed(lines, frame * side, this.pen * side / 100);
      lines = moved(lines, [canvas.width / 2, canvas.height / 2]);
      paint(context, canvas.width, canvas.height, this, lines);
      const centre = centreOfMass(context, canvas, this.paper);
      lines = moved(lines, [canvas.width / 2 - centre[0], canvas.height / 2 - centre[1]]);
    }
    paint(context, canvas.width, canvas.height, this, lines);
    return canvas.toDataURL('image/png').split(',')[1];
  }

  #without(last) {
    Object.assign(this, { strokes: this.strokes.slice(0, this.strokes.length - last), isDown: false });
    this.show();
    this.changed();
  }

  #begin(event) {
    if (event.button > 0 || this.pointer != null) return;
    event.preventDefault();
    Object.assign(this, { pointer: event.pointerId, cursor: null, isDown: false });
    this.canvas.setPointerCapture(event.pointerId);
    this.strokes.push([this.#place(event)]);
    this.show();
    this.changed();
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    this.strokes.at(-1).push(...(all.length ? all : [event]).map(one => this.#place(one)));
    this.show();
    this.changed();
  }

  // The arrow keys move a pen, which the space bar puts down and lifts.
  #key(event) {
    const step = ARROWS[event.key];
    if (!step && event.key !== ' ') return;
    event.preventDefault();
    this.cursor ??= [50, 50];
    if (step) this.cursor = this.cursor.map((at, axis) => Math.min(Math.max(at + STEP * step[axis], 0), 100));
    else if ((this.isDown = !this.isDown)) this.strokes.push([]);
    if (this.isDown) this.strokes.at(-1).push(this.cursor);
    this.show();
    if (this.isDown) this.changed();
  }

  #showCursor() {
    const [x, y] = scaled([this.cursor], SHEET / 100)[0];
    this.context.fillStyle = this.isDown ? '#d33' : '#888';
    for (const [width, height] of [[5, 41], [41, 5]])
      this.context.fillRect(x - width / 2, y - height / 2, width, height);
  }

  // A place on the sheet, per cent of its side.
  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * 100, (event.clientY - box.top) / box.height * 100];
  }
}

const scaled = (line, factor) => line.map(([x, y]) => [x * factor, y * factor]);
const moved = (lines, [right, down]) => lines.map(line => line.map(([x, y]) => [x + right, y + down]));

// Lines around 0, 0, of which the longer side is `size` with the width of the pen.
function framed(lines, size, pen) {
  const [xs, ys] = [0, 1].map(axis => lines.flat().map(place => place[axis]));
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const longest = Math.max(right - left, bottom - top);
  const factor = longest ? Math.max(size - pen, 1) / longest : 1;
  const centred = moved(lines, [-(left + right) / 2, -(top + bottom) / 2]);
  return centred.map(line => scaled(line, factor));
}

function paint(context, width, height, { paper, pen }, lines) {
  const [ground, ink] = paper === 'dark' ? ['#000', '#fff'] : ['#fff', '#000'];
  Object.assign(context, { fillStyle: ground, strokeStyle: ink, lineCap: 'round', lineJoin: 'round' });
  context.lineWidth = pen / 100 * Math.max(width, height);
  context.fillRect(0, 0, width, height);
  for (const line of lines) {
    context.beginPath();
    const [[x, y]] = line;
    context.moveTo(x - 0.01, y); // so that a dot has a length: without one, nothing is drawn
    for (const place of line) context.lineTo(...place);
    context.stroke();
  }
}

function centreOfMass(context, { width, height }, paper) {
  const { data } = context.getImageData(0, 0, width, height);
  let [mass, right, down] = [0, 0, 0];
  for (let place = 0; place < width * height; place++) {
    const ink = paper === 'dark' ? data[4 * place] : 255 - data[4 * place];
    mass += ink;
    right += ink * (place % width + 0.5);
    down += ink * (Math.floor(place / width) + 0.5);
  }
  return mass ? [right / mass, down / mass] : [width / 2, height / 2];
}

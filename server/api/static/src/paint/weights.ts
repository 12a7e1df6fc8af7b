// Changes the weight of the words under the cursor, as A1111's web UI does with Ctrl and the arrow keys.

const STEP = 0.1;
const WEIGHTED = /^\((.*):([0-9.]+)\)$/s;

export interface Edit {
  text: string;
  start: number;
  end: number;
}

/** The text with the weight of the selected words changed by `steps` tenths, and the new selection. */
export function withWeight(text: string, start: number, end: number, steps: number): Edit {
  const outer = surrounding(text, start, end);
  const [from, to] = outer ?? (start === end ? wordAt(text, start) : [start, end]);
  if (from === to) return { text, start, end };
  const words = text.slice(from, to);
  const match = WEIGHTED.exec(words);
  const plain = match ? match[1]! : words;
  const weight = Math.max(0.1, Math.round(((match ? Number(match[2]) : 1) + steps * STEP) * 100) / 100);
  const written = weight === 1 ? plain : `(${plain}:${weight})`;
  const first = weight === 1 ? from : from + 1;
  return { text: text.slice(0, from) + written + text.slice(to), start: first, end: first + plain.length };
}

/** The `(words:1.2)` that the selection is in; null if it is in none. */
function surrounding(text: string, start: number, end: number): [number, number] | null {
  const from = text.lastIndexOf("(", start);
  const to = text.indexOf(")", end === start ? start : end - 1);
  if (from < 0 || to < 0 || text.slice(from + 1, to).includes("(") || text.slice(from, start).includes(")")) return null;
  return WEIGHTED.test(text.slice(from, to + 1)) ? [from, to + 1] : null;
}

function wordAt(text: string, place: number): [number, number] {
  const stops = /[\s,()[\]|:]/;
  let from = place;
  let to = place;
  while (from > 0 && !stops.test(text[from - 1]!)) from--;
  while (to < text.length && !stops.test(text[to]!)) to++;
  return [from, to];
}

// What can be completed while a prompt is typed: LoRAs after `<`, wildcards after `__`, embeddings and styles by their letters.
import type { Model, Style, Wildcard } from "../api/types";

export interface Completion {
  /** What is shown. */
  label: string;
  /** What replaces the text from `start` to the cursor. */
  insert: string;
  start: number;
  /** The id of a style that is chosen instead of words. */
  style?: string;
}

/** What can be named. */
export interface Names {
  models: readonly Model[];
  styles: readonly Style[];
  wildcards: readonly Wildcard[];
}

const MOST = 8;
const LEAST_LETTERS = 2;

export function completionsAt(text: string, cursor: number, names: Names): Completion[] {
  const before = text.slice(0, cursor);
  const tag = /<(?:lora:)?([^<>:]*)$/.exec(before);
  if (tag) return found(names.models, ["lora"], tag[1]!, (name) => `<lora:${name}:0.8>`, cursor - tag[0].length);
  const wildcard = /__([\p{L}\p{N}_/-]*)$/u.exec(before);
  if (wildcard) return foundWildcards(names.wildcards, wildcard[1]!, cursor - wildcard[0].length);
  const word = /[\p{L}\p{N}_-]+$/u.exec(before)?.[0] ?? "";
  if (word.length < LEAST_LETTERS) return [];
  const start = cursor - word.length;
  return [...found(names.models, ["embedding"], word, (name) => name, start), ...foundStyles(names.styles, word, start)].slice(0, MOST);
}

function foundWildcards(wildcards: readonly Wildcard[], typed: string, start: number): Completion[] {
  const names = wildcards.map(({ name }) => name).filter((name) => name.toLowerCase().includes(typed.toLowerCase()));
  return names.slice(0, MOST).map((name) => ({ label: `__${name}__`, insert: `__${name}__`, start }));
}

function foundStyles(styles: readonly Style[], typed: string, start: number): Completion[] {
  const letters = typed.toLowerCase();
  return styles.filter(({ title }) => title.toLowerCase().startsWith(letters)).map(({ id, title }) => ({ label: title, insert: "", start, style: id }));
}

function found(models: readonly Model[], families: string[], typed: string, written: (name: string) => string, start: number): Completion[] {
  const wanted = typed.toLowerCase();
  return models
    .filter((model) => families.includes(model.family ?? "") && model.name.toLowerCase().includes(wanted))
    .slice(0, MOST)
    .map((model) => ({ label: model.title || model.name, insert: written(model.name), start }));
}

// What can be completed while a prompt is typed: LoRAs after `<`, embeddings by their first letters.
import type { Model } from "../api/types";

export interface Completion {
  /** What is shown. */
  label: string;
  /** What replaces the text from `start` to the cursor. */
  insert: string;
  start: number;
}

const MOST = 8;
const LEAST_LETTERS = 2;

export function completionsAt(text: string, cursor: number, models: readonly Model[]): Completion[] {
  const before = text.slice(0, cursor);
  const tag = /<(?:lora:)?([^<>:]*)$/.exec(before);
  if (tag) return found(models, ["lora"], tag[1]!, (name) => `<lora:${name}:0.8>`, cursor - tag[0].length);
  const word = /[\p{L}\p{N}_-]+$/u.exec(before)?.[0] ?? "";
  if (word.length < LEAST_LETTERS) return [];
  return found(models, ["embedding"], word, (name) => name, cursor - word.length);
}

function found(models: readonly Model[], families: string[], typed: string, written: (name: string) => string, start: number): Completion[] {
  const wanted = typed.toLowerCase();
  return models
    .filter((model) => families.includes(model.family ?? "") && model.name.toLowerCase().includes(wanted))
    .slice(0, MOST)
    .map((model) => ({ label: model.title || model.name, insert: written(model.name), start }));
}

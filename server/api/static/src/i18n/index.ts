// The words of the page, in the language of the browser or the one that was chosen.
import { computed, effect } from "@preact/signals";
import { kept } from "../data/session";
import { en } from "./en";
import { zh } from "./zh";

export type Word = keyof typeof en;
export const LANGUAGES = { en: "English", zh: "中文" } as const;
export type Language = keyof typeof LANGUAGES;

const CATALOGUES: Record<Language, Record<Word, string>> = { en, zh };
/** The first language of the browser that the page has; it also sends these as Accept-Language. */
const preferred = navigator.languages.map((tag) => tag.split("-")[0]).find((code): code is Language => code! in LANGUAGES) ?? "en";

export const language = kept<Language>("language", preferred);
const catalogue = computed(() => CATALOGUES[language.value]);

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});

/** The words, with values in place of `{name}`. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return catalogue.value[word].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

export function isWord(name: string): name is Word {
  return name in en;
}

// Words that the server has in English alone: names and descriptions of parameters, titles of task types, errors.
import { language } from ".";
import chinese from "./server_zh.json";

function inChinese(words: Record<string, string>, english: string): string | undefined {
  return language.value === "zh" ? words[english] : undefined;
}

export function paramName(name: string): string {
  return inChinese(chinese.names, name) ?? name.replaceAll("_", " ");
}

export function paramHelp(description: string | undefined): string | undefined {
  return description && (inChinese(chinese.help, description) ?? description);
}

export function taskTitle(title: string): string {
  return inChinese(chinese.titles, title) ?? title;
}

/** A sentence of the server about an error; on a Chinese page after what kind of error it is, and the parameter. */
export function errorWords(message: string, code: string, field = ""): string {
  const kind = inChinese(chinese.errors, code);
  return kind ? `${kind}${field ? `（${paramName(field)}）` : ""}：${message}` : message;
}

// The stored tools of the server, and what is filled in of their forms. Forms stay when another tool is chosen.
import { computed, signal } from "@preact/signals";
import { ask } from "../api/client";
import type { Tool, ToolField, ToolList } from "../api/types";
import { language } from "../i18n";
import { pictureParam, uploaded, type Mask, type Picture } from "./pictures";
import { untilThere } from "./server";
import { key } from "./session";

export const tools = signal<Tool[]>([]);
export const problems = signal<string[]>([]);
export const chosenId = signal("");
export const chosen = computed(() => tools.value.find((tool) => tool.id === chosenId.value));
const filled = signal<Record<string, Record<string, unknown>>>({});

key.subscribe(() => void untilThere(loadTools));

export async function loadTools(): Promise<void> {
  const reply = await ask<ToolList>("GET", "v1/tools");
  tools.value = reply.data;
  problems.value = reply.problems.map(({ message }) => message);
}

/** The Chinese text on a Chinese page, if there is one. */
export function inLanguage(text: string, chinese: string): string {
  return language.value === "zh" && chinese ? chinese : text;
}

export function valueOf(tool: Tool, field: ToolField): unknown {
  return filled.value[tool.id]?.[field.id];
}

export function setValue(tool: Tool, field: ToolField, value: unknown): void {
  const { [field.id]: _, ...others } = filled.value[tool.id] ?? {};
  const next = value === undefined || value === null || value === "" ? others : { ...others, [field.id]: value };
  filled.value = { ...filled.value, [tool.id]: next };
}

/** The picture that a mask is painted over. */
export function groundOf(tool: Tool): Picture | null {
  const field = tool.fields.find(({ type }) => type === "image");
  return field ? ((valueOf(tool, field) as Picture | undefined) ?? null) : null;
}

/** What is sent. Pictures are uploaded first. */
export async function request(tool: Tool): Promise<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const field of tool.fields) {
    const value = valueOf(tool, field);
    if (value === undefined) continue;
    if (field.type === "image") values[field.id] = await pictureParam(value as Picture);
    else if (field.type === "mask") values[field.id] = await uploaded(await (value as Mask).blob);
    else values[field.id] = value;
  }
  return values;
}

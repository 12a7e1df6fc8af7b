// What the person is told: one sentence, and the field that it is about.
import { signal } from "@preact/signals";
import { Refusal, UNREACHABLE } from "../api/client";
import { t } from "../i18n";
import { errorWords } from "../i18n/server_words";

export const notice = signal<{ message: string; field: string } | null>(null);

export function sentenceOf(error: unknown): string {
  if (!(error instanceof Refusal)) return error instanceof Error ? error.message : String(error);
  if (error.status === UNREACHABLE) return t("unreachable");
  const words = error.message && errorWords(error.message, error.code, error.field);
  if (error.status === 429 && error.retryAfterS) return `${words} ${t("retryAfter", { seconds: error.retryAfterS })}`;
  return words || t("answered", { status: error.status });
}

/** Does the work; what goes wrong is shown, at its field if it has one. */
export async function guarded(work: () => Promise<void>): Promise<boolean> {
  notice.value = null;
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return false;
    notice.value = { message: sentenceOf(error), field: error instanceof Refusal ? error.field : "" };
    return false;
  }
}

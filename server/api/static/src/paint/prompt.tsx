// The prompt: a text with completions, weights by keys, and the number of its tokens.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ask } from "../api/client";
import type { TokenCount } from "../api/types";
import * as draft from "../data/draft";
import { chosenStyles, styles, toggleStyle, wildcards } from "../data/prompt_words";
import { usable } from "../data/server";
import { notice } from "../data/notice";
import { t } from "../i18n";
import { completionsAt, type Completion } from "./completions";
import { withWeight } from "./weights";

const COUNT_PAUSE_MS = 300;

export function Prompt(props: { name: "text" | "negative_prompt"; rows: number; label: string; placeholder: string }) {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const [completions, setCompletions] = useState<Completion[]>([]);
  const [chosen, setChosen] = useState(0);
  const value = draft.text(props.name);
  const wrong = notice.value?.field === props.name;

  const edit = (text: string, start: number, end: number) => {
    draft.set(props.name, text);
    requestAnimationFrame(() => area.current?.setSelectionRange(start, end));
  };
  const accept = (completion: Completion) => {
    const cursor = area.current?.selectionStart ?? value.length;
    const after = completion.start + completion.insert.length;
    edit(value.slice(0, completion.start) + completion.insert + value.slice(cursor), after, after);
    if (completion.style && !chosenStyles().includes(completion.style)) toggleStyle(completion.style);
    setCompletions([]);
    area.current?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    const target = event.currentTarget as HTMLTextAreaElement;
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" && command) {
      event.preventDefault();
      target.form?.requestSubmit();
    } else if (command && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const done = withWeight(target.value, target.selectionStart, target.selectionEnd, event.key === "ArrowUp" ? 1 : -1);
      edit(done.text, done.start, done.end);
    } else if (completions.length) onCompletionKey(event);
  };
  const onCompletionKey = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) setChosen((chosen + moves[event.key]! + completions.length) % completions.length);
    else if (event.key === "Enter" || event.key === "Tab") accept(completions[chosen]!);
    else if (event.key === "Escape") setCompletions([]);
    else return;
    event.preventDefault();
  };

  return (
    <div class={wrong ? "prompt wrong" : "prompt"}>
      <label for={id}>{props.label}</label>
      <textarea
        id={id}
        ref={area}
        rows={props.rows}
        maxLength={20000}
        value={value}
        placeholder={props.placeholder}
        aria-invalid={wrong}
        aria-describedby={wrong ? `${id}-error` : undefined}
        aria-autocomplete="list"
        onKeyDown={onKey}
        onInput={(event) => {
          const target = event.currentTarget;
          draft.set(props.name, target.value);
          setCompletions(completionsAt(target.value, target.selectionStart, { models: usable.value, styles: draft.takes("styles") ? styles.value : [], wildcards: wildcards.value }));
          setChosen(0);
        }}
        onBlur={() => setCompletions([])}
      />
      {completions.length > 0 && (
        <ul class="completions" role="listbox" aria-label={t("completions")}>
          {completions.map((completion, index) => (
            <li key={completion.label} role="option" aria-selected={index === chosen} onMouseDown={(event) => { event.preventDefault(); accept(completion); }}>
              {completion.style ? t("styleNamed", { title: completion.label }) : completion.label}
            </li>
          ))}
        </ul>
      )}
      {props.name === "text" && <Tokens text={value} />}
      {wrong && <small id={`${id}-error`} class="error">{notice.value!.message}</small>}
    </div>
  );
}

/** How many tokens the prompt has, and where a new chunk begins. */
function Tokens(props: { text: string }) {
  const [count, setCount] = useState<TokenCount | null>(null);
  const model = draft.text("model");
  useEffect(() => {
    if (!props.text) return setCount(null);
    let current = true;
    const timer = setTimeout(() => {
      ask<TokenCount>("POST", "v1/prompts/count", { text: props.text, ...(model ? { model } : {}) }).then(
        (reply) => current && setCount(reply),
        () => current && setCount(null),
      );
    }, COUNT_PAUSE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [props.text, model]);
  if (!count) return null;
  const chunks = count.prompts.flatMap((prompt) => prompt.chunks);
  const size = count.chunk_size ?? 75;
  const title = chunks.map((chunk, index) => `${index + 1}: ${chunk.text}`).join("\n");
  return <small class="tokens" title={title}>{t("tokens", { tokens: count.tokens, size: Math.max(1, chunks.length) * size })}</small>;
}

// Small inputs that all forms are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useId } from "preact/hooks";
import { t, type Word } from "../i18n";
import { paramHelp } from "../i18n/server_words";
import { notice } from "../data/notice";
import { Icon, type IconName } from "./icons";

/** `help` is always shown; `more` is a description of the server that a person unfolds. */
export function Field(props: { label: string; help?: string | undefined; more?: string | undefined; field?: string; children: (id: string) => ComponentChildren }) {
  const id = useId();
  const wrong = props.field && notice.value?.field === props.field ? notice.value.message : "";
  useEffect(() => {
    const input = document.getElementById(id);
    input?.setAttribute("aria-invalid", String(wrong !== ""));
    const notes = [`${id}-help`, `${id}-more`, `${id}-error`].filter((note) => document.getElementById(note));
    if (notes.length) input?.setAttribute("aria-describedby", notes.join(" "));
    else input?.removeAttribute("aria-describedby");
  });
  return (
    <div class={wrong ? "field wrong" : "field"}>
      <div class="label">
        <label for={id}>{props.label}</label>
        <More id={`${id}-more`} label={props.label} text={props.more} />
      </div>
      {props.children(id)}
      {props.help && <small id={`${id}-help`}>{props.help}</small>}
      {wrong && <small id={`${id}-error`} class="error">{wrong}</small>}
    </div>
  );
}

/** What a parameter means, behind a question mark: for the mouse, the keyboard and the finger. */
export function More(props: { label: string; text: string | undefined; id?: string }) {
  const text = paramHelp(props.text);
  if (!text) return null;
  return (
    <details class="more">
      <summary aria-label={t("helpFor", { label: props.label })}>?</summary>
      <small id={props.id}>{text}</small>
    </details>
  );
}

export function Slider(props: {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  field?: string;
  help?: string;
  more?: string | undefined;
  onChange: (value: number) => void;
}) {
  const change = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.value === "") input.value = String(props.value);
    else props.onChange(Number(input.value));
  };
  return (
    <Field label={props.label} help={props.help} more={props.more} field={props.field ?? ""}>
      {(id) => (
        <div class="slider">
          <input type="range" aria-label={props.label} min={props.min} max={props.max} step={props.step} value={props.value} onInput={change} />
          <input id={id} type="number" min={props.min} max={props.max} step={props.step < 1 ? 0.01 : props.step} value={props.value} onChange={change} />
        </div>
      )}
    </Field>
  );
}

export function Choice<T extends string>(props: { label: string; value: T; options: readonly (readonly [T, string])[]; onChange: (value: T) => void }) {
  return (
    <Field label={props.label}>
      {(id) => (
        <select id={id} value={props.value} onChange={(event) => props.onChange(event.currentTarget.value as T)}>
          {props.options.map(([value, words]) => (
            <option key={value} value={value}>{words}</option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function Tick(props: { label: string; more?: string | undefined; checked: boolean; onChange: (checked: boolean) => void }) {
  const tick = (
    <label class="tick">
      <input type="checkbox" checked={props.checked} onChange={(event) => props.onChange(event.currentTarget.checked)} />
      {props.label}
    </label>
  );
  return props.more ? <div class="label">{tick}<More label={props.label} text={props.more} /></div> : tick;
}

/** One choice of a few, shown side by side. */
export function Segments<T extends string>(props: { label: string; value: T; options: readonly (readonly [T, string])[]; onChange: (value: T) => void }) {
  return (
    <div class="segments" role="group" aria-label={props.label}>
      {props.options.map(([value, words]) => (
        <button key={value} type="button" aria-pressed={value === props.value} onClick={() => props.onChange(value)}>{words}</button>
      ))}
    </div>
  );
}

export function IconButton(props: { word: Word; icon: IconName; onClick: () => void; pressed?: boolean; disabled?: boolean }) {
  const pressed = props.pressed === undefined ? {} : { "aria-pressed": props.pressed };
  return (
    <button type="button" class="icon" title={t(props.word)} aria-label={t(props.word)} disabled={props.disabled ?? false} onClick={props.onClick} {...pressed}>
      <Icon name={props.icon} />
    </button>
  );
}

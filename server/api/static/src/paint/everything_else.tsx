// All parameters that have no place of their own, from the schema of the task type: a new one needs no change here.
import type { Schema } from "../api/types";
import * as draft from "../data/draft";
import { modelsFor, pipeline } from "../data/server";
import { t } from "../i18n";
import { paramName } from "../i18n/server_words";
import { Field, More, Tick } from "../ui/controls";
import { PictureDrop } from "../ui/picture_drop";

const ELSEWHERE = new Set([
  "text", "negative_prompt", "model", "w", "h", "num_steps", "guidance_scale", "sampler", "seed", "num_samples", "fidelity", "url", "mask_url",
  "controls", "lora_scales", "lora_paths", "styles", "ip_adapter", "highres_info", "variation_seed", "variation_strength", "callback_url",
  "left", "right", "top", "bottom", "inpainting_mask_blur", "keep_original", "keep_original_num_fade_pixels", "use_circular", "scale", "vae", "is_anime", "max_wh",
]);

export function EverythingElse(props: { all?: boolean }) {
  const definitions = ((pipeline(draft.taskType.value)?.params ?? {}) as Schema).$defs ?? {};
  const pictures = pipeline(draft.taskType.value)?.images ?? [];
  const names = Object.keys(draft.properties.value).filter((name) => name !== "callback_url" && (props.all ? name !== "text" && name !== "url" : !ELSEWHERE.has(name)));
  return (
    <div class="everything">
      {names.map((name) => {
        const schema = resolved(draft.properties.value[name]!, definitions);
        if (pictures.includes(name)) return <PictureField key={name} name={name} more={schema.description} />;
        return <SchemaField key={name} name={name} schema={schema} />;
      })}
    </div>
  );
}

/** The schema of an optional value is its type or null; the input is that of the type. */
export function resolved(schema: Schema, definitions: Record<string, Schema>): Schema {
  const kinds = (schema.anyOf ?? [schema]).filter((kind) => kind.type !== "null");
  const kind = kinds.length === 1 ? kinds[0]! : {};
  const referred = kind.$ref ? (definitions[kind.$ref.split("/").pop()!] ?? {}) : kind;
  return { ...schema, ...referred };
}

function PictureField(props: { name: string; more: string | undefined }) {
  const { [props.name]: chosen, ...others } = draft.pictures.value;
  const label = paramName(props.name);
  return (
    <div class="field">
      <More label={label} text={props.more} />
      <PictureDrop label={label} picture={chosen ?? null} onPicture={(picture) => (draft.pictures.value = picture ? { ...others, [props.name]: picture } : others)} />
    </div>
  );
}

function SchemaField(props: { name: string; schema: Schema }) {
  const { name, schema } = props;
  const value = draft.values.value[name];
  const usual = schema.default === null || schema.default === undefined ? "" : typeof schema.default === "object" ? JSON.stringify(schema.default) : String(schema.default);
  if (name === "model") {
    return (
      <Select name={name} more={schema.description} options={modelsFor(draft.taskType.value).map((model) => model.name)} usual={usual} />
    );
  }
  if (schema.enum) return <Select name={name} more={schema.description} options={schema.enum.filter((each) => each !== null).map(String)} usual={usual} />;
  if (schema.type === "boolean") return <Tick more={schema.description} label={paramName(name)} checked={Boolean(value ?? schema.default)} onChange={(checked) => draft.set(name, checked === Boolean(schema.default) ? undefined : checked)} />;
  if (schema.type === "integer" || schema.type === "number") {
    return (
      <Field label={paramName(name)} more={schema.description} field={name}>
        {(id) => (
          <input
            id={id}
            type="number"
            step={schema.type === "integer" ? 1 : "any"}
            min={schema.minimum ?? schema.exclusiveMinimum}
            max={schema.maximum ?? schema.exclusiveMaximum}
            placeholder={usual}
            value={value === undefined ? "" : String(value)}
            onChange={(event) => draft.set(name, event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value))}
          />
        )}
      </Field>
    );
  }
  if (schema.type === "string") {
    const offered = (schema.examples?.length ?? 0) > 1 ? schema.examples!.map(String) : [];
    return (
      <Field label={paramName(name)} more={schema.description} field={name}>
        {(id) => (
          <>
            <input id={id} lang="en" list={offered.length ? `${id}-offered` : undefined} placeholder={usual} value={value === undefined ? "" : String(value)} onChange={(event) => draft.set(name, event.currentTarget.value)} />
            {offered.length > 0 && <datalist id={`${id}-offered`}>{offered.map((each) => <option key={each} value={each} />)}</datalist>}
          </>
        )}
      </Field>
    );
  }
  return <JsonField name={name} more={schema.description} usual={usual} />;
}

function Select(props: { name: string; more: string | undefined; options: readonly string[]; usual: string }) {
  return (
    <Field label={paramName(props.name)} more={props.more} field={props.name}>
      {(id) => (
        <select id={id} value={String(draft.values.value[props.name] ?? "")} onChange={(event) => draft.set(props.name, event.currentTarget.value)}>
          <option value="">{props.usual ? t("usual", { value: props.usual }) : t("isDefault")}</option>
          {props.options.map((option) => <option key={option} value={option}>{option}</option>)}
        </select>
      )}
    </Field>
  );
}

/** A list or an object, as JSON. Text that is no JSON yet is not sent. */
function JsonField(props: { name: string; more: string | undefined; usual: string }) {
  const value = draft.values.value[props.name];
  const change = (area: HTMLTextAreaElement) => {
    try {
      draft.set(props.name, area.value.trim() ? JSON.parse(area.value) : undefined);
      area.setCustomValidity("");
    } catch {
      area.setCustomValidity(t("notJson"));
      area.reportValidity();
    }
  };
  return (
    <Field label={paramName(props.name)} more={props.more} field={props.name}>
      {(id) => <textarea id={id} lang="en" rows={2} placeholder={props.usual} value={value === undefined ? "" : JSON.stringify(value)} onChange={(event) => change(event.currentTarget)} />}
    </Field>
  );
}

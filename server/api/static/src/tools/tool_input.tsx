// One field of a tool's form, by its type.
import type { Tool, ToolField } from "../api/types";
import type { Mask, Picture } from "../data/pictures";
import { groundOf, inLanguage, setValue, valueOf } from "../data/tools";
import { t } from "../i18n";
import { Field, Tick } from "../ui/controls";
import { MaskEditor } from "../ui/mask_editor";
import { PictureDrop } from "../ui/picture_drop";

export function ToolInput(props: { tool: Tool; field: ToolField }) {
  const { tool, field } = props;
  const name = inLanguage(field.name, field.name_zh) + (field.required ? " *" : "");
  const value = valueOf(tool, field);
  const set = (next: unknown) => setValue(tool, field, next);
  if (field.type === "bool") return <Tick label={name} checked={Boolean(value ?? field.default)} onChange={set} />;
  return (
    <Field label={name} help={inLanguage(field.help, field.help_zh) || undefined} field={`values.${field.id}`}>
      {(id) => <Input id={id} name={name} {...props} value={value} set={set} />}
    </Field>
  );
}

function Input(props: { id: string; name: string; tool: Tool; field: ToolField; value: unknown; set: (value: unknown) => void }) {
  const { id, field, value, set, tool } = props;
  const read = (event: Event) => (event.currentTarget as HTMLInputElement).value;
  const usual = field.default === null || field.default === undefined ? "" : String(field.default);
  switch (field.type) {
    case "image":
      return <PictureDrop label={props.name} picture={(value as Picture | undefined) ?? null} onPicture={set} />;
    case "mask":
      return <MaskInput ground={groundOf(tool)} mask={(value as Mask | undefined) ?? null} onMask={set} />;
    case "text":
      return <textarea id={id} rows={2} maxLength={field.max ?? undefined} placeholder={usual} value={(value as string | undefined) ?? ""} onInput={(event) => set(event.currentTarget.value)} />;
    case "choice":
      return (
        <select id={id} value={(value as string | undefined) ?? usual} onChange={(event) => set(event.currentTarget.value)}>
          {!usual && <option value="">{t("choose")}</option>}
          {field.items.map((item) => <option key={item.id} value={item.id}>{inLanguage(item.name, item.name_zh)}</option>)}
        </select>
      );
    case "size":
      return <input id={id} placeholder={usual} pattern="\s*\d+\s*[x×*]\s*\d+\s*" value={(value as string | undefined) ?? ""} onChange={(event) => set(read(event))} />;
    default:
      return (
        <input
          id={id}
          type="number"
          step={field.type === "number" ? "any" : 1}
          min={field.min ?? undefined}
          max={field.max ?? undefined}
          placeholder={usual}
          value={value === undefined ? "" : Number(value)}
          onChange={(event) => set(read(event) === "" ? undefined : Number(read(event)))}
        />
      );
  }
}

/** A mask is painted over the tool's picture. */
function MaskInput(props: { ground: Picture | null; mask: Mask | null; onMask: (mask: Mask | null) => void }) {
  if (!props.ground) return <p class="hint">{t("maskNeedsPicture")}</p>;
  return <MaskEditor picture={props.ground} mask={props.mask} onMask={props.onMask} />;
}

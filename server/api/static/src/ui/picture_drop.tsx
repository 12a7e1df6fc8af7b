// Takes a picture: by a file chooser, by dropping it, or by pasting it.
import { useState } from "preact/hooks";
import { firstPicture, readPicture, type Picture } from "../data/pictures";
import { notice } from "../data/notice";
import { t } from "../i18n";

export async function takePicture(blob: Blob, name: string, onPicture: (picture: Picture) => void): Promise<void> {
  try {
    onPicture(await readPicture(blob, name));
  } catch {
    notice.value = { message: t("notAPicture"), field: "" };
  }
}

export function PictureDrop(props: { label: string; picture: Picture | null; shown?: boolean; onPicture: (picture: Picture | null) => void }) {
  const [over, setOver] = useState(false);
  const take = (file: File | null) => {
    if (file) void takePicture(file, file.name, props.onPicture);
  };
  return (
    <div
      class={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setOver(false);
        take(firstPicture(event.dataTransfer));
      }}
    >
      {props.picture && props.shown !== false && <img src={props.picture.shown} alt={props.label} />}
      <label class="button">
        {props.picture ? t("replacePicture") : props.label}
        <input type="file" accept="image/png,image/jpeg,image/webp" aria-label={props.label} onChange={(event) => take(event.currentTarget.files?.[0] ?? null)} />
      </label>
      {props.picture ? (
        <button type="button" onClick={() => props.onPicture(null)}>{t("removePicture")}</button>
      ) : (
        <small>{t("dropOrPaste")}</small>
      )}
    </div>
  );
}

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
    else notice.value = { message: t("notAPicture"), field: "" };
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
        <input type="file" accept="image/png,image/jpeg,image/webp" aria-label={props.label} onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file) take(file);
          // To choose the same file again is a change, too.
          event.currentTarget.value = "";
        }} />
      </label>
      {props.picture ? (
        <button type="button" onClick={() => props.onPicture(null)}>{t("removePicture")}</button>
      ) : (
        <small>{t("dropOrPaste")}</small>
      )}
    </div>
  );
}

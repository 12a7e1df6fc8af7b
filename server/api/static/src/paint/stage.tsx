// The middle of the painting view: the source with its tools, or what was painted last.
import * as draft from "../data/draft";
import { firstPicture, type Picture } from "../data/pictures";
import { notice } from "../data/notice";
import { t } from "../i18n";
import { Latest } from "../ui/latest";
import { MaskEditor } from "../ui/mask_editor";
import { PictureDrop } from "../ui/picture_drop";
import { ExtendEditor } from "./extend_editor";
import { GridTable } from "./grid_table";
import { SettingsOffer, takeOrOffer } from "./settings_offer";

const NEEDS_SOURCE: readonly draft.Mode[] = ["image", "inpaint", "erase", "extend", "enlarge"];

export function Stage() {
  const mode = draft.mode.value;
  const source = draft.source.value;
  const wantsSource = NEEDS_SOURCE.includes(mode) || (mode === "other" && draft.takes("url"));
  return (
    <section
      class="stage"
      aria-label={t("stage")}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const file = firstPicture(event.dataTransfer);
        if (file) void takeOrOffer(file, useAsSource);
        else notice.value = { message: t("notAPicture"), field: "" };
      }}
    >
      <SettingsOffer onPicture={useAsSource} />
      {wantsSource && (
        <>
          {source && draft.MASKED.includes(mode) && <MaskEditor picture={source} mask={draft.mask.value} onMask={(mask) => (draft.mask.value = mask)} />}
          {source && mode === "extend" && <ExtendEditor picture={source} />}
          <PictureDrop label={t("choosePicture")} picture={source} shown={!(draft.MASKED.includes(mode) || mode === "extend")} onPicture={(picture) => (draft.source.value = picture)} />
        </>
      )}
      <GridTable />
      <Latest />
    </section>
  );
}

/** A dropped or pasted picture: the modes that take none become "change a picture". */
export function useAsSource(picture: Picture): void {
  draft.source.value = picture;
  if (!NEEDS_SOURCE.includes(draft.mode.value) && draft.mode.value !== "other") draft.mode.value = "image";
}

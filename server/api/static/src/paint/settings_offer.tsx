// What to do with a picture that holds settings: use them, or use the picture.
import { offered, settingsOf, useSettings } from "../data/picture_settings";
import { notice } from "../data/notice";
import type { Picture } from "../data/pictures";
import { t } from "../i18n";
import { takePicture } from "../ui/picture_drop";

/** Takes a picture that was dropped or pasted; one that holds settings is offered first. */
export async function takeOrOffer(file: File, use: (picture: Picture) => void): Promise<void> {
  const settings = await settingsOf(file).catch(() => null);
  if (settings) offered.value = { file, settings };
  else await takePicture(file, file.name, use);
}

export function SettingsOffer(props: { onPicture: (picture: Picture) => void }) {
  const offer = offered.value;
  if (!offer) return null;
  const { file, settings } = offer;
  const without = Object.entries(settings.not_understood).map(([name, value]) => `${name}: ${value}`);
  const done = () => (offered.value = null);
  return (
    <div class="note offer" role="region" aria-label={t("holdsSettings")}>
      <p>{t("holdsSettings")}</p>
      <p class="words">{String(settings.params["text"] ?? "")}</p>
      {without.length > 0 && <details><summary class="warning">{t("notUnderstood", { count: without.length })}</summary><ul>{without.map((each) => <li key={each}>{each}</li>)}</ul></details>}
      <div class="actions">
        <button type="button" class="primary" onClick={() => { useSettings(settings); done(); }}>{t("useSettings")}</button>
        <button type="button" onClick={() => { void takePicture(file, file.name, props.onPicture); done(); }}>{t("useAsPicture")}</button>
        <button type="button" onClick={done}>{t("close")}</button>
      </div>
    </div>
  );
}

/** The way to the settings of a picture for those who do not drop files. */
export function SettingsFile() {
  const read = async (file: File) => {
    const settings = await settingsOf(file).catch(() => null);
    if (settings) useSettings(settings);
    else notice.value = { message: t("noSettings"), field: "" };
  };
  return (
    <label class="button file">
      {t("readSettings")}
      <input type="file" accept="image/png,image/jpeg,image/webp" onChange={(event) => { const file = event.currentTarget.files?.[0]; event.currentTarget.value = ""; if (file) void read(file); }} />
    </label>
  );
}

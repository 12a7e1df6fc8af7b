// Models as cards with their preview pictures, in a dialog with a search.
import { useState } from "preact/hooks";
import type { Model } from "../api/types";
import { t } from "../i18n";
import { Dialog } from "./dialog";
import { ServerPicture } from "./server_picture";

export function ModelDialog(props: {
  title: string;
  models: readonly Model[];
  chosen: readonly string[];
  onChoose: (model: Model) => void;
  onClose: () => void;
}) {
  const [search, setSearch] = useState("");
  const words = search.toLowerCase();
  const found = props.models.filter((model) => searchable(model).includes(words));
  // The form around the dialog must not be sent.
  const chooseByEnter = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (found[0]) props.onChoose(found[0]);
  };
  return (
    <Dialog title={props.title} wide onClose={props.onClose}>
      <input type="search" aria-label={t("search")} placeholder={t("search")} value={search} onInput={(event) => setSearch(event.currentTarget.value)} onKeyDown={(event) => chooseByEnter(event)} />
      <div class="model-cards">
        {found.map((model) => (
          <button key={model.name} type="button" class="model-card" aria-pressed={props.chosen.includes(model.name)} onClick={() => props.onChoose(model)}>
            <ServerPicture address={model.preview ?? ""} initials={model.name.slice(0, 2)} />
            <strong>{model.title || model.name}</strong>
            <small>{[model.family, ...(model.trigger_words ?? []).slice(0, 4)].filter(Boolean).join(" · ")}</small>
          </button>
        ))}
        {found.length === 0 && <p>{t("nothingFound")}</p>}
      </div>
    </Dialog>
  );
}

function searchable(model: Model): string {
  return [model.name, model.title, ...(model.aliases ?? []), ...(model.trigger_words ?? [])].join(" ").toLowerCase();
}

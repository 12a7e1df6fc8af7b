// The operator's styles: cards to choose from, and the chosen ones.
import { useState } from "preact/hooks";
import type { Style } from "../api/types";
import { chosenStyles, styles, toggleStyle } from "../data/prompt_words";
import { t } from "../i18n";
import { Dialog } from "../ui/dialog";

export function Styles() {
  const [choosing, setChoosing] = useState(false);
  if (styles.value.length === 0) return null;
  const titleOf = (id: string) => styles.value.find((style) => style.id === id)?.title ?? id;
  return (
    <div class="actions">
      <button type="button" onClick={() => setChoosing(true)}>{t("addStyle")}</button>
      {chosenStyles().map((id) => (
        <button key={id} type="button" aria-pressed title={t("remove")} onClick={() => toggleStyle(id)}>{titleOf(id)} ×</button>
      ))}
      {choosing && <StyleDialog onClose={() => setChoosing(false)} />}
    </div>
  );
}

function StyleDialog(props: { onClose: () => void }) {
  const [search, setSearch] = useState("");
  const words = search.toLowerCase();
  const found = styles.value.filter((style) => [style.id, style.title, style.prompt].join(" ").toLowerCase().includes(words));
  return (
    <Dialog title={t("styles")} wide onClose={props.onClose}>
      <input type="search" aria-label={t("search")} placeholder={t("search")} value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
      <div class="model-cards">
        {found.map((style) => <Card key={style.id} style={style} />)}
        {found.length === 0 && <p>{t("nothingFound")}</p>}
      </div>
    </Dialog>
  );
}

function Card(props: { style: Style }) {
  const { id, title, prompt, negative_prompt, model, loras } = props.style;
  const adds = [negative_prompt && `− ${negative_prompt}`, model, ...Object.keys(loras)].filter(Boolean).join(" · ");
  return (
    <button type="button" class="model-card" aria-pressed={chosenStyles().includes(id)} onClick={() => toggleStyle(id)}>
      <strong>{title}</strong>
      <small>{prompt.replace("{prompt}", "…")}</small>
      {adds && <small>{adds}</small>}
    </button>
  );
}

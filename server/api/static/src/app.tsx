// The frame of the page: its views, language, key, and what is announced to screen readers.
import { useEffect, useRef, useState } from "preact/hooks";
import { effect } from "@preact/signals";
import { Gallery } from "./gallery/gallery";
import { language, LANGUAGES, t, type Language, type Word } from "./i18n";
import { Machine } from "./machine/machine";
import { Paint } from "./paint/paint";
import { Queue } from "./queue/queue";
import { forgetKey, kept, keepKey, key, needsKey } from "./data/session";
import { overview, trouble, watchOverview } from "./data/server";
import { justChanged, live, unfinished } from "./data/tasks";
import { open, view, VIEWS, type View } from "./data/view";
import { UNREACHABLE } from "./api/client";
import { Tools } from "./tools/tools";
import { Notice } from "./ui/notice";
import { titleOf } from "./ui/results";
import { state } from "./ui/progress";

const VIEW_WORDS: Record<View, Word> = { paint: "viewPaint", tools: "viewTools", gallery: "viewGallery", queue: "viewQueue", machine: "viewMachine" };
type Theme = "system" | "light" | "dark";
const NEXT_THEME: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };

const theme = kept<Theme>("theme", "system");
effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});
void watchOverview();

export function App() {
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>{t("skip")}</a>
      <Header />
      {trouble.value !== null && <p class="banner" role="alert">{trouble.value === UNREACHABLE ? t("unreachable") : t("troubled", { status: trouble.value })}</p>}
      <main id="content" tabIndex={-1}>
        {needsKey.value ? <KeyForm /> : <Viewed />}
      </main>
      <Announcer />
    </>
  );
}

function Viewed() {
  return (
    <>
      {view.value !== "paint" && view.value !== "tools" && <Notice />}
      {view.value === "paint" && <Paint />}
      {view.value === "tools" && <Tools />}
      {view.value === "gallery" && <Gallery />}
      {view.value === "queue" && <Queue />}
      {view.value === "machine" && <Machine />}
    </>
  );
}

function Header() {
  return (
    <header class="top">
      <h1><img src="page/hua.svg" alt="" width="28" height="28" /> Hua</h1>
      <nav aria-label={t("views")}>
        {VIEWS.map((name) => (
          <a key={name} href={`#${name}`} aria-current={view.value === name ? "page" : undefined} onClick={(event) => { event.preventDefault(); open(name); }}>
            {t(VIEW_WORDS[name])}
            {name === "queue" && unfinished.value.length > 0 && <span class="badge">{unfinished.value.length}</span>}
          </a>
        ))}
      </nav>
      <div class="tools">
        <select aria-label={t("language")} value={language.value} onChange={(event) => (language.value = event.currentTarget.value as Language)}>
          {Object.entries(LANGUAGES).map(([code, name]) => <option key={code} value={code}>{name}</option>)}
        </select>
        <button type="button" onClick={() => (theme.value = NEXT_THEME[theme.value])}>{t(theme.value === "system" ? "themeSystem" : theme.value === "light" ? "themeLight" : "themeDark")}</button>
        {key.value && !needsKey.value && <button type="button" onClick={() => { forgetKey(); needsKey.value = true; }}>{t("signOut")}</button>}
        <small class="load">{overview.value ? t("load", { queued: overview.value.queued, running: overview.value.running }) : ""}</small>
      </div>
    </header>
  );
}

function KeyForm() {
  const [onDevice, setOnDevice] = useState(false);
  const wrong = key.value !== "";
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    input.current?.focus();
    return () => document.getElementById("content")?.focus();
  }, []);
  return (
    <form
      class="key"
      aria-label={t("signIn")}
      onSubmit={(event) => {
        event.preventDefault();
        keepKey(input.current!.value.trim(), onDevice);
      }}
    >
      <label for="key">{t("needsKey")}</label>
      {wrong && <p role="alert" class="error">{t("unknownKey")}</p>}
      <div class="row">
        <input id="key" ref={input} name="key" type="password" autoComplete="off" required />
        <button type="submit" class="primary">{t("signIn")}</button>
      </div>
      <label class="tick"><input type="checkbox" checked={onDevice} onChange={(event) => setOnDevice(event.currentTarget.checked)} />{t("keepKey")}</label>
    </form>
  );
}

/** Tells screen readers that a task waits or has ended: nothing else moves the focus then. */
function Announcer() {
  const [words, setWords] = useState("");
  const task = justChanged.value;
  useEffect(() => {
    if (task) setWords(`${titleOf(task)}: ${state(live(task))}`);
  }, [task]);
  return <p class="announcer" aria-live="polite">{words}</p>;
}

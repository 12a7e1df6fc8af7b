// The tools view: stored workflows as cards, the form of the chosen one, and what it has made.
import { useEffect } from "preact/hooks";
import type { Tool } from "../api/types";
import { guarded } from "../data/notice";
import { submitTool } from "../data/tasks";
import { chosen, chosenId, inLanguage, loadTools, problems, request, tools } from "../data/tools";
import { t } from "../i18n";
import { Latest } from "../ui/latest";
import { Notice } from "../ui/notice";
import { ServerPicture } from "../ui/server_picture";
import { ToolInput } from "./tool_input";

export function Tools() {
  // Files of tools may have changed while the view was closed.
  useEffect(() => void loadTools().catch(() => undefined), []);
  const tool = chosen.value;
  return (
    <div class="paint">
      <div class="panel">
        <ul class="tool-cards" aria-label={t("viewTools")}>
          {tools.value.map((each) => <Card key={each.id} tool={each} />)}
        </ul>
        {problems.value.map((problem) => <p key={problem} class="warning">{problem}</p>)}
        {tool && <Form key={tool.id} tool={tool} />}
      </div>
      <section class="stage" aria-label={t("stage")}><Latest /></section>
    </div>
  );
}

function Card(props: { tool: Tool }) {
  const { tool } = props;
  const name = inLanguage(tool.name, tool.name_zh);
  return (
    <li>
      <button type="button" class="model-card" aria-pressed={chosenId.value === tool.id} onClick={() => (chosenId.value = tool.id)}>
        <ServerPicture address={tool.cover ?? ""} initials={name.slice(0, 2)} />
        <strong>{name}</strong>
        <small>{inLanguage(tool.description, tool.description_zh)}</small>
      </button>
    </li>
  );
}

function Form(props: { tool: Tool }) {
  const { tool } = props;
  const send = () => guarded(async () => void (await submitTool(tool.id, await request(tool))));
  return (
    <form class="everything one" aria-label={inLanguage(tool.name, tool.name_zh)} onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <h2>{inLanguage(tool.name, tool.name_zh)}</h2>
      {tool.missing && <p class="note">{t("toolMissing", { reason: tool.missing })}</p>}
      {tool.fields.map((field) => <ToolInput key={field.id} tool={tool} field={field} />)}
      <div class="send">
        <button type="submit" class="primary">{t("generate")}</button>
        <Notice />
      </div>
    </form>
  );
}

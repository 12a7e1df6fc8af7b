import { render } from "preact";
import { App } from "./app";
import "./data/following";
import "./style.css";

// A file that is dropped beside the place for it must not replace the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());

render(<App />, document.getElementById("app")!);

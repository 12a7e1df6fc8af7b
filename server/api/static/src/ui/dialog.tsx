// A modal dialog of the browser: it keeps the focus inside, and Escape closes it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "./controls";

export function Dialog(props: { title: string; wide?: boolean; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} class={props.wide ? "wide" : ""} aria-label={props.title} onClose={props.onClose}>
      <header>
        <h2>{props.title}</h2>
        <IconButton word="close" icon="close" onClick={() => dialog.current?.close()} />
      </header>
      {props.children}
    </dialog>
  );
}

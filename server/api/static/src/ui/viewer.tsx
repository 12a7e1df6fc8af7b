// One picture, large: zoom, pan, compare with the picture that it was made from, and go to the next.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Task } from "../api/types";
import { t } from "../i18n";
import { ComparisonControls, othersOf, Overlay } from "./comparison";
import { IconButton } from "./controls";
import { Dialog } from "./dialog";
import { Notice } from "./notice";
import { Actions, expiry, facts, Shown, titleOf } from "./results";
import { ZipButton } from "./zip_button";

const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8];

export function Viewer(props: { task: Task; index: number; onMove?: (by: number) => void; onClose: () => void }) {
  const { task } = props;
  const [index, setIndex] = useState(props.index);
  const [zoom, setZoom] = useState(1);
  const [share, setShare] = useState<number | null>(null);
  const [chosen, setChosen] = useState(0);
  const frame = useRef<HTMLDivElement>(null);
  const images = [...(task.images ?? []), ...(task.hints ?? [])];
  const image = images[Math.min(index, images.length - 1)];
  useEffect(() => setZoom(1), [task.id, index]);
  useEffect(() => setIndex(props.index), [task.id, props.index]);
  useEffect(() => setChosen(0), [task.id]);
  useEffect(() => frame.current?.focus(), []);
  if (!image) return null;
  const nearest = ZOOMS.indexOf(zoom);
  const others = othersOf(task, index);
  const other = share === null ? undefined : others[chosen];
  return (
    <Dialog title={titleOf(task)} wide onClose={props.onClose}>
      <div
        class="viewer"
        ref={frame}
        tabIndex={0}
        role="group"
        aria-label={titleOf(task)}
        onWheel={(event) => { event.preventDefault(); setZoom(ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, nearest + (event.deltaY < 0 ? 1 : -1)))]!); }}
        onKeyDown={(event) => {
          if (event.key === "ArrowRight") props.onMove?.(1);
          else if (event.key === "ArrowLeft") props.onMove?.(-1);
          else if (event.key === "+" || event.key === "=") setZoom(ZOOMS[Math.min(ZOOMS.length - 1, nearest + 1)]!);
          else if (event.key === "-") setZoom(ZOOMS[Math.max(0, nearest - 1)]!);
        }}
        onPointerMove={(event) => { if (event.buttons === 1 && zoom > 1) frame.current!.scrollBy(-event.movementX, -event.movementY); }}
      >
        <div class="zoomed" style={{ width: `calc(${zoom} * min(100%, 62vh * ${image.width / image.height}))` }}>
          <Shown image={image} words={titleOf(task)} />
          {share !== null && other && <Overlay key={chosen} task={task} other={other} share={share} />}
        </div>
      </div>
      {share !== null && other && <ComparisonControls others={others} chosen={chosen} share={share} onChoose={setChosen} onShare={setShare} />}
      <div class="tools">
        <IconButton word="zoomOut" icon="minus" disabled={nearest <= 0} onClick={() => setZoom(ZOOMS[nearest - 1]!)} />
        <IconButton word="zoomIn" icon="plus" disabled={nearest >= ZOOMS.length - 1} onClick={() => setZoom(ZOOMS[nearest + 1]!)} />
        {others.length > 0 && <IconButton word="compare" icon="compare" pressed={share !== null} onClick={() => setShare(share === null ? 50 : null)} />}
        {images.length > 1 && images.map((each, place) => <button key={each.sha256 + place} type="button" aria-pressed={place === index} onClick={() => setIndex(place)}>{place + 1}</button>)}
        {props.onMove && <IconButton word="previous" icon="previous" onClick={() => props.onMove?.(-1)} />}
        {props.onMove && <IconButton word="following" icon="next" onClick={() => props.onMove?.(1)} />}
      </div>
      <Notice />
      <p class="facts">{facts(task)} · {expiry(image)}</p>
      <Actions task={task} image={image} index={index} onDone={props.onClose} />
      <ZipButton tasks={[task]} />
      <details><summary>{t("parameters")}</summary><pre tabIndex={0}>{JSON.stringify({ type: task.type, params: task.params }, null, 2)}</pre></details>
    </Dialog>
  );
}

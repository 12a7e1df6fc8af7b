// Paints a mask over the source: brush and eraser, undo, by mouse, pen or finger.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Mask, Picture } from "../data/pictures";
import { t } from "../i18n";
import { IconButton, Slider } from "../ui/controls";

type Tool = "brush" | "eraser";
const UNDO_STEPS = 30;
const UNDO_BYTES = 200e6;
const INK = "rgb(255 255 255)";

export function MaskEditor(props: { picture: Picture; mask: Mask | null; onMask: (mask: Mask | null) => void }) {
  const { picture, onMask } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const undo = useRef<ImageData[]>([]);
  const last = useRef<{ x: number; y: number } | null>(null);
  const [tool, setTool] = useState<Tool>("brush");
  const [width, setWidth] = useState(Math.max(8, Math.round(Math.max(picture.width, picture.height) / 12)));

  const pen = () => canvas.current!.getContext("2d", { willReadFrequently: true })!;
  useEffect(() => {
    undo.current = [];
    const { mask } = props;
    if (mask?.of !== picture) onMask(null);
    else void mask.blob.then(createImageBitmap).then((painted) => pen().drawImage(painted, 0, 0));
  }, [picture]);

  const undoSteps = Math.min(UNDO_STEPS, Math.max(1, Math.floor(UNDO_BYTES / (picture.width * picture.height * 4))));
  const remember = () => {
    undo.current = [...undo.current, pen().getImageData(0, 0, picture.width, picture.height)].slice(-undoSteps);
  };
  const keep = () => {
    const pixels = pen().getImageData(0, 0, picture.width, picture.height).data;
    const empty = !pixels.some((value, index) => index % 4 === 3 && value > 0);
    onMask(empty ? null : { of: picture, blob: pngOf(canvas.current!) });
  };
  const place = (event: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * picture.width, y: ((event.clientY - box.top) / box.height) * picture.height };
  };
  const stroke = (to: { x: number; y: number }) => {
    const context = pen();
    const from = last.current ?? to;
    context.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
    Object.assign(context, { strokeStyle: INK, lineWidth: width, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
    last.current = to;
  };
  const whole = (work: (context: CanvasRenderingContext2D) => void) => {
    remember();
    const context = pen();
    context.globalCompositeOperation = "source-over";
    work(context);
    keep();
  };
  const goBack = () => {
    const before = undo.current.pop();
    if (before) pen().putImageData(before, 0, 0);
    keep();
  };
  const invert = (context: CanvasRenderingContext2D) => {
    context.globalCompositeOperation = "source-out";
    context.fillStyle = INK;
    context.fillRect(0, 0, picture.width, picture.height);
  };

  return (
    <div class="mask-editor" onKeyDown={(event) => { if ((event.ctrlKey || event.metaKey) && event.key === "z") { event.preventDefault(); goBack(); } }}>
      <div class="tools" role="toolbar" aria-label={t("maskTools")}>
        <IconButton word="brush" icon="brush" pressed={tool === "brush"} onClick={() => setTool("brush")} />
        <IconButton word="eraser" icon="eraser" pressed={tool === "eraser"} onClick={() => setTool("eraser")} />
        <IconButton word="undo" icon="undo" onClick={goBack} />
        <IconButton word="invertMask" icon="invert" onClick={() => whole(invert)} />
        <IconButton word="clearMask" icon="trash" onClick={() => whole((context) => context.clearRect(0, 0, picture.width, picture.height))} />
        <Slider label={t("brushSize")} value={width} min={2} max={Math.max(64, Math.round(picture.width / 2))} step={1} onChange={setWidth} />
      </div>
      <div class="ground" style={{ aspectRatio: `${picture.width} / ${picture.height}` }}>
        <img src={picture.shown} alt={t("sourcePicture")} />
        <canvas
          ref={canvas}
          width={picture.width}
          height={picture.height}
          tabIndex={0}
          aria-label={t("maskCanvas")}
          onPointerDown={(event) => {
            if (event.button !== 0 || !event.isPrimary) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            remember();
            last.current = null;
            stroke(place(event));
          }}
          onPointerMove={(event) => { if (event.currentTarget.hasPointerCapture(event.pointerId)) stroke(place(event)); }}
          onPointerUp={() => { last.current = null; keep(); }}
          onPointerCancel={() => { last.current = null; keep(); }}
        />
      </div>
      <p class="hint">{t("maskHint")}</p>
    </div>
  );
}

function pngOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no mask"))), "image/png");
  });
}

// Writes a ZIP archive whose files are stored as they are: pictures are compressed already (PKWARE APPNOTE 4.3).

export interface ZipFile {
  name: string;
  data: Uint8Array;
}

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_HEADER = 0x06054b50;
const VERSION = 20;
const UTF8_NAMES = 0x0800;
/** 1 January 1980, the first date that the format knows. */
const NO_DATE = 0x0021;

export function zip(files: readonly ZipFile[]): Blob {
  const parts: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  for (const { name, data } of files) {
    const letters = new TextEncoder().encode(name);
    const facts = [VERSION, UTF8_NAMES, 0, 0, NO_DATE];
    const sizes = [crc32(data), data.length, data.length];
    const header = fields([[LOCAL_HEADER], facts, sizes, [letters.length, 0]], "4 2 4 2");
    central.push(fields([[CENTRAL_HEADER], [VERSION, ...facts], sizes, [letters.length, 0, 0, 0, 0], [0, offset]], "4 2 4 2 4"), letters);
    parts.push(header, letters, data);
    offset += header.length + letters.length + data.length;
  }
  const centralSize = central.reduce((sum, part) => sum + part.length, 0);
  const end = fields([[END_HEADER], [0, 0, files.length, files.length], [centralSize, offset], [0]], "4 2 4 2");
  return new Blob([...parts, ...central, end] as BlobPart[], { type: "application/zip" });
}

/** Groups of numbers as little-endian bytes; `widths` has the bytes of a number for each group. */
function fields(groups: readonly (readonly number[])[], widths: string): Uint8Array {
  const bytes = widths.split(" ").flatMap((width, index) => groups[index]!.flatMap((value) => littleEndian(value, Number(width))));
  return new Uint8Array(bytes);
}

function littleEndian(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, place) => (value >>> (8 * place)) & 0xff);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

function crc32(data: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of data) rest = CRC_TABLE[(rest ^ byte) & 0xff]! ^ (rest >>> 8);
  return (rest ^ 0xffffffff) >>> 0;
}

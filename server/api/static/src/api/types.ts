// The shapes of the API that the page reads, from the OpenAPI document (`make page` writes schema.d.ts).
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Task = Schemas["TaskReply"];
export type TaskImage = Schemas["ImageReply"];
export type TaskPage = Schemas["TaskPage"];
export type Model = Schemas["ModelReply"];
export type Pipeline = Schemas["PipelineReply"];
export type Overview = Schemas["OverviewReply"];
export type Worker = Schemas["WorkerReply"];
export type Infotext = Schemas["InfotextReply"];
export type Tool = Schemas["ToolReply"];
export type ToolField = Schemas["FieldReply"];
export type ToolList = Schemas["ToolList"];
export type Style = Schemas["StyleReply"];
export type Wildcard = Schemas["WildcardReply"];
export type Kept = Schemas["KeptReply"];
export type UsageReply = Schemas["UsageReply"];
export type TokenCount = Schemas["CountReply"];

/** A part of a JSON Schema. */
export interface Schema {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  maxLength?: number;
  format?: string;
  anyOf?: Schema[];
  $ref?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  $defs?: Record<string, Schema>;
}

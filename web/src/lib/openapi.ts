/** The server's own description of what it can be asked for. */
import { json } from "./api";

export interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  /** The statuses of its answers with what they mean. */
  readonly answers: string;
  readonly permission: string;
  /** It is enough to have the permission for the source that it is about. */
  readonly ofSource: boolean;
}

interface Described {
  readonly operationId?: string;
  readonly summary?: string;
  readonly responses?: Readonly<Record<string, { readonly description?: string }>>;
  readonly "x-permission"?: string;
  readonly "x-scope"?: string;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
}

/** All of them, by their paths. */
export async function operations(): Promise<Operation[]> {
  const { paths } = await json<Document>("api/openapi.json");
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({
      id: described.operationId ?? `${method} ${path}`,
      method: method.toUpperCase(),
      path,
      summary: described.summary ?? "",
      answers: Object.entries(described.responses ?? {})
        .filter(([, { description }]) => description)
        .map(([status, { description }]) => `${status} ${description}`)
        .join("; "),
      permission: described["x-permission"] ?? "",
      ofSource: described["x-scope"] === "source",
    })),
  );
}

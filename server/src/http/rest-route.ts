import { z } from 'zod';

import { appRouter } from '../router/index.ts';
import { isInSlices } from '../router/output.ts';
import type { Meta, RestMeta } from '../router/procedure.ts';
import { restParams } from '../router/schemas.ts';

/**
 * A REST route, derived from the metadata and schemas of its procedure. `rest.ts` serves it and
 * `openapi.ts` documents it, so the document promises exactly what the server does.
 */
export type RestRoute = Omit<RestMeta, 'status' | 'createsIfAbsent' | 'input'> & {
  /** Such as `flags.create`. */
  readonly procedure: string;
  readonly meta: Meta;
  readonly params: Schemas;
  readonly query: Schemas;
  readonly headers: readonly HeaderField[];
  /** Undefined when the route takes no body. */
  readonly body: Schemas | undefined;
  readonly success: Success;
  /** Whether If-None-Match is supported: on every GET with an entity tag in its response. */
  readonly conditional: boolean;
};

type Schemas = Readonly<Record<string, z.ZodType>>;

/** An input field that is a request header over REST. */
type HeaderField = { readonly field: string; readonly name: string; readonly schema: z.ZodType };

type Success = {
  readonly status: 200 | 201 | 204;
  /** Without `etag`, which is a header. Undefined for 204. */
  readonly body: z.ZodType | undefined;
  readonly hasEtag: boolean;
  /** The body field to append to the path for the Location header: the id of a created resource that has a GET route. */
  readonly locationField: string | undefined;
  /** Whether the status is 201 if the request creates the resource. */
  readonly createsIfAbsent: boolean;
};

type Definition = {
  readonly meta?: Meta;
  readonly inputs: readonly unknown[];
  readonly output?: unknown;
  readonly type: string;
};

/** Every procedure of the router, by its path. At run time tRPC has them in one flat record, unlike its type. */
export const procedures = (): ReadonlyMap<string, Definition> =>
  new Map(
    Object.entries(
      appRouter._def.procedures as unknown as Record<string, { readonly _def: Definition }>,
    ).map(([path, { _def }]) => [path, _def]),
  );

/** Returns the routes of all procedures that have one. */
export const restRoutes = (): readonly RestRoute[] => {
  const declared = [...procedures()].flatMap(([procedure, { meta, inputs, output }]) => {
    const input = meta?.rest?.input ?? inputs[0];
    return meta?.rest === undefined || !(input instanceof z.ZodObject)
      ? []
      : [{ procedure, meta, rest: meta.rest, input, output }];
  });
  const readPaths = declared.flatMap(({ rest }) => (rest.method === 'GET' ? [rest.path] : []));
  const responseOf = createResponseBodies();
  return declared.map(({ procedure, meta, rest, input, output }) => {
    const { hasEtag, body } = responseOf(output);
    return {
      ...rest,
      procedure,
      meta,
      ...requestOf(rest, input.shape),
      success: {
        status: body === undefined ? 204 : (rest.status ?? 200),
        body,
        hasEtag,
        createsIfAbsent: rest.createsIfAbsent === true,
        locationField: rest.status === 201 ? idField(readPaths, rest.path) : undefined,
      },
      conditional: rest.method === 'GET' && hasEtag,
    };
  });
};

/** Assigns each input field to its place in the request. */
const requestOf = (
  { method, path }: RestMeta,
  shape: Schemas,
): Pick<RestRoute, 'params' | 'query' | 'headers' | 'body'> => {
  const takesBody = method === 'POST' || method === 'PUT' || method === 'PATCH';
  const fields = Object.entries(shape).map(([field, schema]) => {
    const placed = restParams.get(schema) ?? { in: takesBody ? 'body' : 'query' };
    const place = path.includes(`{${field}}`) ? { in: 'path' } : placed;
    return { field, schema, name: field, ...place };
  });
  const fieldsIn = (wanted: string): Schemas =>
    Object.fromEntries(
      fields.filter(each => each.in === wanted).map(({ field, schema }) => [field, schema]),
    );
  const body = fieldsIn('body');
  return {
    params: fieldsIn('path'),
    query: fieldsIn('query'),
    headers: fields.filter(each => each.in === 'header'),
    body: Object.keys(body).length > 0 ? body : undefined,
  };
};

/** Returns `key` for the path `/flags` if `/flags/{key}` can be read. */
const idField = (readPaths: readonly string[], path: string): string | undefined => {
  const resourcePath = readPaths.find(each => each.startsWith(`${path}/{`));
  return resourcePath?.slice(`${path}/{`.length, -1);
};

/**
 * Removes `etag` from output schemas, always with the same result for the same schema: the OpenAPI document
 * may have only one schema for each id.
 */
const createResponseBodies = () => {
  const known = new Map<z.ZodObject, z.ZodObject>();

  const withoutEtag = (schema: z.ZodObject): z.ZodObject => {
    const body = known.get(schema) ?? schema.omit({ etag: true }).meta(schema.meta() ?? {});
    known.set(schema, body);
    return body;
  };

  const bodyOf = (output: unknown): Pick<Success, 'body' | 'hasEtag'> => {
    if (isInSlices(output)) return bodyOf(output.schema);
    if (output instanceof z.ZodVoid || !(output instanceof z.ZodType))
      return { body: undefined, hasEtag: false };
    if (output instanceof z.ZodUnion) {
      const options = output.options.map(bodyOf);
      return {
        body: z.union(options.flatMap(({ body }) => body ?? [])),
        hasEtag: options.some(({ hasEtag }) => hasEtag),
      };
    }
    return output instanceof z.ZodObject && 'etag' in output.shape
      ? { body: withoutEtag(output), hasEtag: true }
      : { body: output, hasEtag: false };
  };
  return bodyOf;
};

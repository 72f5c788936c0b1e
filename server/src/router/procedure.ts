import type { ErrorBody, JsonObject } from '@pennon/schema';
import { initTRPC, TRPCError } from '@trpc/server';
import type { z } from 'zod';

import type { LiveFlagSet } from '../flag-set/live-flag-set.ts';
import type { Services } from '../services.ts';
import { errorBody, errorFor, ERRORS, PennonError, toPennonError } from '../errors.ts';
import { requirePlainJson } from '../plain-json.ts';
import type { Caller } from '../auth/caller.ts';
import { limitToPermission } from '../auth/caller.ts';
import type { Permission } from '../auth/permissions.ts';
import type { Upload } from '../import-export/check.ts';

/** What a procedure receives with each request. */
export type Context = {
  readonly services: Services;
  /**
   * Returns the caller. Over tRPC this authenticates the request and counts it against the rate limit, so it
   * throws UNAUTHORIZED or TOO_MANY_REQUESTS; a REST route has done both before it calls the procedure.
   */
  readonly requireCaller: () => Caller;
  /** The body of the request, if the procedure parses it itself (`isUpload`). */
  readonly upload?: Upload | undefined;
  /** Receives the flag sets that the calls of a request evaluate, whose age its response reports. */
  readonly evaluated?: Set<LiveFlagSet> | undefined;
  /** Returns what is sent in place of a result. By default the result itself. */
  readonly replaceResult?: ((result: unknown) => Promise<unknown>) | undefined;
  /** Called when a procedure with `createsIfAbsent` created its resource. REST responds with 201 then. */
  readonly onCreated?: (() => void) | undefined;
};

/** What a procedure declares about itself. */
export type Meta = {
  readonly permission: Permission;
  /** What suffices in an environment that is only read, such as the one that is copied. */
  readonly readPermission?: Permission;
  /** Its REST route. Procedures without one are served over tRPC only. */
  readonly rest?: RestMeta;
  /** Set when the input may be larger than those of other procedures. */
  readonly limits?: {
    readonly bodyBytes: number;
    /** Levels of nesting beyond the general limit. */
    readonly extraDepth: number;
    /** Whether the procedure parses and checks the body itself, from `Context.upload`. */
    readonly isUpload: true;
  };
};

/**
 * Input fields named in the path are path parameters. The others are the body of a POST, PUT or PATCH,
 * otherwise the query, unless `restParams` places them elsewhere.
 */
export type RestMeta = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below /api/v1, with parameters in braces: `/flags/{key}`. */
  readonly path: string;
  /** Groups the route in the OpenAPI document. */
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** The field in the path with the environment, if it is not `environment` in the query. */
  readonly environmentIn?: string;
  /** The fields of its input, if the schema of the procedure does not have them. */
  readonly input?: z.ZodObject;
  /** Another form of the body, for documentation. */
  readonly otherBody?: z.ZodObject;
  /** A body that succeeds on a new server, unless `http/openapi-examples.ts` has one. */
  readonly example?: JsonObject;
  /** Set when a resource is created. Otherwise the status is 204 without output, or 200. */
  readonly status?: 201;
  /** Set when the status is 201 whenever the request creates the resource. */
  readonly createsIfAbsent?: true;
};

const t = initTRPC
  .context<Context>()
  .meta<Meta>()
  .create({
    errorFormatter: ({ shape, error }): typeof shape & { data: ErrorBody } => {
      const known = toPennonError(error);
      return { ...shape, message: known.message, data: { ...shape.data, ...errorBody(known) } };
    },
    isDev: false,
    sse: {
      ping: { enabled: true, intervalMs: 15_000 },
      client: { reconnectAfterInactivityMs: 37_500 },
    },
  });

export const { router, mergeRouters, createCallerFactory } = t;

/** Converts any error to a TRPCError, with the PennonError as its cause. */
const asTrpcError = (error: unknown, caller: Caller | undefined): TRPCError => {
  const known = errorFor(caller, toPennonError(error));
  return new TRPCError({ code: ERRORS[known.code].trpc, message: known.message, cause: known });
};

/**
 * Runs before every procedure: denies by default, checks the caller's permission, and checks that the input
 * is plain JSON. The schema of each procedure checks the rest of its input.
 */
const guarded = t.procedure.use(async ({ ctx, meta, getRawInput, next }) => {
  let caller: Caller | undefined;
  try {
    if (meta?.permission === undefined) {
      throw new PennonError('FORBIDDEN', 'this procedure declares no permission');
    }
    caller = ctx.requireCaller();
    const limited = limitToPermission(caller, meta.permission);
    const reader = limitToPermission(caller, meta.readPermission ?? meta.permission);
    requirePlainJson(await getRawInput(), meta.limits?.extraDepth);
    const result = await next({ ctx: { ...ctx, caller: limited, reader } });
    if (!result.ok) throw result.error;
    return ctx.replaceResult === undefined
      ? result
      : { ...result, data: await ctx.replaceResult(result.data) };
  } catch (error) {
    throw asTrpcError(error, caller);
  }
});

/** The only way to make a procedure, so each one declares a permission. */
export const procedure = (meta: Meta) => guarded.meta(meta);

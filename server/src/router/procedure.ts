import type { ErrorBody } from '@pennon/schema';
import { initTRPC, TRPCError } from '@trpc/server';
import type { OpenApiMeta } from 'trpc-to-openapi';

import type { Services } from '../services.ts';
import { errorBody, ERRORS, PennonError, toPennonError } from '../errors.ts';
import type { Caller } from '../auth/caller.ts';
import { requirePermission } from '../auth/caller.ts';
import type { Permission } from '../auth/permissions.ts';
import { requirePlainJson } from './plain-json.ts';

/** What a request brings: who calls, checked when first asked for, and what the server is made of. */
export type Context = {
  readonly services: Services;
  /** Authenticates and counts against the rate limit; throws UNAUTHORIZED or TOO_MANY_REQUESTS. */
  readonly authenticateRequest: () => Caller;
};

/** What a procedure states of itself: the permission it takes, and its REST route. */
export type Meta = OpenApiMeta<{
  readonly permission: Permission;
  /** HTTP status of success over REST; 200 where it is not stated. */
  readonly status?: 201 | 204;
  /** The field whose value is the last part of the created resource's URL. */
  readonly located?: 'key';
  /** `environment` is a field of the body over REST, not of the query. */
  readonly environmentInBody?: true;
  /** Other fields that are parameters of the query over REST, although the route has a body. */
  readonly inQuery?: readonly string[];
  /** The largest body, where it is not that of every other route. */
  readonly bodyBytes?: number;
  /** How much deeper the input may nest than others. */
  readonly levelsAbove?: number;
  /** Served by a plain route of its own, and documented here. */
  readonly plainRoute?: true;
}>;

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

/** Every error leaves as a TRPCError of our table's code, with our error as the cause. */
const asTrpcError = (error: unknown): TRPCError => {
  const known = toPennonError(error);
  return new TRPCError({ code: ERRORS[known.code].trpc, message: known.message, cause: known });
};

/** The one start of every procedure: deny by default, then who calls, then what was sent. */
const guarded = t.procedure.use(async ({ ctx, meta, getRawInput, next }) => {
  try {
    if (meta?.permission === undefined) {
      throw new PennonError('FORBIDDEN', 'this procedure states no permission and is refused');
    }
    const caller = ctx.authenticateRequest();
    requirePermission(caller, meta.permission);
    requirePlainJson(await getRawInput(), meta.levelsAbove);
    const result = await next({ ctx: { ...ctx, caller } });
    if (!result.ok) throw result.error;
    return result;
  } catch (error) {
    throw asTrpcError(error);
  }
});

/** A procedure that takes this permission. There is no other way to make one. */
export const procedure = (meta: Meta) => guarded.meta(meta);

import type { FastifyBaseLogger } from 'fastify';

import type { Random } from '../random.ts';

const ID_LENGTH = 12;

/** Returns the id of a request, which all of its log lines have. */
export const requestId = (random: Random): string => random(ID_LENGTH);

/** A request that has its response. */
type CompletedRequest = {
  readonly method: string;
  /** The pattern of its route. A URL may contain user data. */
  readonly route: string;
  readonly status: number;
  readonly ms: number;
  /** The id of its key. */
  readonly key: string | undefined;
};

export const logRequest = (log: FastifyBaseLogger, request: CompletedRequest): void =>
  log.debug({ ...request, ms: Math.round(request.ms * 10) / 10 }, 'request');

import type { EventSourceMessage } from 'eventsource-parser';

import type { RequestSpec } from './http.ts';
import { readObject, sameJson } from './json.ts';
import type { JsonObject } from './json.ts';
import { gap } from './errors.ts';

/** The data after an event, and what changed; `changed` is undefined if all data arrived again. */
export type Update<Data, Changed> = { readonly data: Data; readonly changed?: Changed };

/** Applies an event of a stream to the current data. Throws on a gap. */
export type EventReducer<Data, Changed> = (
  data: Data | undefined,
  message: EventSourceMessage,
) => Update<Data, Changed>;

/** One of the things that can be followed: how to ask for it, and what an answer makes of the data. */
export type SyncedResource<Data, Changed> = {
  /** The events that a stream may begin with. */
  readonly opening: readonly string[];
  /** What each event makes of the data. Unknown events say nothing. */
  readonly events: Readonly<Record<string, EventReducer<Data, Changed>>>;
  readonly streamOf: (data: Data | undefined) => RequestSpec;
  readonly pollOf: (etag: string | undefined) => RequestSpec;
  /** The data of a poll's answer. Throws where there are none in it. */
  readonly read: (text: string) => Data;
  /** The entity tag that a poll would answer for these data, where that is known. */
  readonly etagOf: (data: Data) => string | undefined;
};

/** Where the server is, and who asks. */
export type Address = {
  /** Such as `https://flags.example.com`; a path is kept. */
  readonly url: string;
  readonly key: string;
  /** Only for a key of all environments, which must name one. */
  readonly environment?: string | undefined;
};

type Extra = {
  /** Sent as JSON, by POST. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

/** A header where it has a value. */
export const header = (name: string, value: string | undefined) =>
  value === undefined ? undefined : { [name]: value };

/** A request to a route of the API. */
export const buildRequest = (
  { url, key, environment }: Address,
  route: string,
  { body, headers }: Extra,
): RequestSpec => {
  const query = environment === undefined ? '' : `?environment=${encodeURIComponent(environment)}`;
  const post = body === undefined ? {} : { method: 'POST', body };
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return {
    url: `${url.replace(/\/+$/, '')}/api/v1/${route}${query}`,
    init: { ...post, headers: { authorization: `Bearer ${key}`, ...type, ...headers } },
  };
};

/** The object that a text is; what is none does not follow anything. */
export const parse = (text: string): JsonObject => {
  const value = readObject(text);
  if (value === undefined) throw gap('what came is no JSON object');
  return value;
};

/**
 * A record with the changes laid over it: null removes. The record itself stays as it was. What comes
 * inherits nothing, so that `__proto__` is a name like any other; and such an object is copied ten times
 * as fast as one that is spread.
 */
export const applyPatch = <Value>(
  record: Readonly<Record<string, Value>>,
  changes: Readonly<Record<string, Value | null>>,
): Readonly<Record<string, Value>> => {
  const laid: Record<string, Value> = {};
  Object.setPrototypeOf(laid, null);
  Object.assign(laid, record);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete laid[name];
    else laid[name] = value;
  }
  return laid;
};

/** Returns the names in `changes` whose values differ from those in `record`. */
export const changedKeys = (
  record: Readonly<Record<string, unknown>>,
  changes: Readonly<Record<string, unknown>>,
): string[] =>
  Object.keys(changes).filter(name => {
    const current = Object.hasOwn(record, name) ? record[name] : null;
    return !sameJson(current, changes[name]);
  });

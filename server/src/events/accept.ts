import { environmentOf, type Caller } from '../auth/caller.ts';
import type { Audience } from '../evaluation/audience.ts';
import type { BatchSource, EventsResult } from './read-batch.ts';

export type AcceptServices = {
  readonly audienceOf: (caller: Caller) => Audience;
  readonly events: {
    accept(
      environment: string,
      request: { readonly source: BatchSource; readonly visibleOnly: boolean },
    ): Promise<EventsResult>;
  };
};

/** Adds the events of a request to the log. Resolves when the log has them. */
export const acceptEvents = (
  { audienceOf, events }: AcceptServices,
  caller: Caller,
  { environment, ...source }: BatchSource & { readonly environment?: string | undefined },
): Promise<EventsResult> =>
  events.accept(environmentOf(caller, environment), {
    source,
    visibleOnly: audienceOf(caller).visibleOnly,
  });

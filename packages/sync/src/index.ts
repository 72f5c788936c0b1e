export { bytesOf, inParts, newInstance, retryDelay, sha256, VERSION } from './delivery.ts';
export { isAuthError, isRequestError, retryAfterOf, toSyncError } from './errors.ts';
export type { SyncError } from './errors.ts';
export { withEventStatus } from './event-queue.ts';
export type { BatchStorage, EventBatch, EventLimits, EventStatus } from './event-queue.ts';
export { createDailyMemory, createEvents } from './events.ts';
export type { Events } from './events.ts';
export { followFlagSet } from './flag-set.ts';
export type { FlagSet, FlagSetChanges } from './flag-set.ts';
export { NOT_STARTED } from './follower-state.ts';
export type { DataSource, FollowerMode, FollowerStatus, LastError } from './follower-state.ts';
export { follow } from './follower.ts';
export type { Follower, FollowOptions } from './follower.ts';
export { createConnectionScope } from './http.ts';
export type { ConnectionScope, RequestSpec } from './http.ts';
export { changedNames, isJsonObject, ownValue, parseJsonObject, sameJson } from './json.ts';
export type { JsonObject } from './json.ts';
export { isKey, localFlagProblem, localKeyProblem } from './local-flags.ts';
export {
  API_KEY,
  areHeaders,
  BOOLEAN,
  connectionProblem,
  durationProblem,
  formProblem,
  hasMethods,
  isApiKey,
  LOGGER,
  originProblem,
  SERVER_URL,
  unknownOption,
} from './options.ts';
export type { OptionForm } from './options.ts';
export { parseMeasured, unitOf } from './measured.ts';
export type { Measured } from './measured.ts';
export { isLongPause, pausedError } from './pauses.ts';
export type { Pause } from './pauses.ts';
export { fetchWithinOrigin } from './redirects.ts';
export { trueWithin } from './refresh.ts';
export { ageOf, instantOf, LONGEST_TIMER_MS, defaultRuntime } from './runtime.ts';
export type { Runtime } from './runtime.ts';
export { isServerUrl, parseAuthority } from './server-url.ts';
export { isSourceStale, sourceAgeOf, staleSourceError } from './source-age.ts';
export { onceReady } from './start-status.ts';
export { buildRequest, routeOf } from './synced-resource.ts';
export type { Address } from './synced-resource.ts';
export { HEARTBEAT_MS, RESPONSE_TIMEOUT_MS } from './times.ts';
export { backoffDelay, rejectedKeyDelay, staleRetryDelay } from './timing.ts';
export { updates } from './updates.ts';
export type { Outcome } from './usage-counters.ts';
export { createUsageReporter } from './usage-reporter.ts';
export type { UsageOptions, UsageReporter } from './usage-reporter.ts';
export { followValues, valuesResource } from './values.ts';
export type { FollowValuesOptions, Values } from './values.ts';

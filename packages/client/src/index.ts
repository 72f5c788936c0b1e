export type { ApiClient, ApiInputs, ApiOutputs } from './client.ts';
export { createApiClient } from './client.ts';
export type { ApiError, ErrorCode, ErrorData } from './errors.ts';
export { isApiError } from './errors.ts';
export type { AppRouter } from './router.ts';
export type { ApiClientOptions } from './options.ts';

import { OpenFeature } from '@openfeature/web-sdk';
import { afterEach } from 'vitest';

const ignore = () => undefined;
const SILENT = { error: ignore, warn: ignore, info: ignore, debug: ignore };

/** Keeps OpenFeature from printing. */
export const silenceOpenFeature = (): void => void OpenFeature.setLogger(SILENT);

/** Closes all providers after each test, because those of a page share its two streams. */
export const useOpenFeature = (): void => {
  silenceOpenFeature();
  afterEach(() => OpenFeature.clearProviders());
};

// One import of the SDK for all files, because bundlers repeat each.
export {
  ErrorCode,
  GeneralError,
  OpenFeature,
  OpenFeatureEventEmitter,
  ProviderEvents,
  ProviderFatalError,
} from '@openfeature/web-sdk';

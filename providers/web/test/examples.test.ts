import { OpenFeature } from '@openfeature/web-sdk';

import { testExamples } from '../../../packages/sync/test/support/examples.ts';

testExamples('web', new URL('..', import.meta.url).pathname, OpenFeature);

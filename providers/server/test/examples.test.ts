import { OpenFeature } from '@openfeature/server-sdk';

import { testExamples } from '../../../packages/sync/test/support/examples.ts';

testExamples('server', new URL('..', import.meta.url).pathname, OpenFeature);

import { RE2JS } from 're2js';

import type { Patterns } from './re2-subset.ts';

/** The regular expressions of all our engines. */
export const patterns: Patterns = RE2JS;

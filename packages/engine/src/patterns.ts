import { RE2JS } from 're2js';

import type { Patterns } from './pattern.ts';

/** The regular expressions of all our engines. */
export const patterns: Patterns = RE2JS;

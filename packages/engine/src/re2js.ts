import { RE2JS } from 're2js';

import type { RegexEngine } from './re2-subset.ts';

/** RE2 in JavaScript: the regular expressions of the operator `matches`. */
export const patterns: RegexEngine = RE2JS;

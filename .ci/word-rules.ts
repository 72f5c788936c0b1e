/** A phrase that this repository does not use, and what to write instead. */
export type Rule = { readonly pattern: RegExp; readonly remedy: string };

/** A space in a phrase matches any white space, so a phrase is also found across a line break. */
const rule = (phrase: RegExp, remedy: string): Rule => ({
  pattern: new RegExp(phrase.source.replaceAll(' ', '\\s+'), `g${phrase.flags}`),
  remedy,
});

/** Rules for comments, docstrings, messages, descriptions, test titles and Markdown. */
export const PROSE_RULES: readonly Rule[] = [
  rule(
    /(?<=^|\0)\s*(?:Knows|Minds|Lets)\b/,
    'begin with what it does: "Returns", "Emits", "Sends", "Receives"',
  ),
  rule(
    /\b(?:answer(?:s|ed|ing)?|tell(?:s|ing)?|told|say(?:s|ing)?|said|ask(?:s|ed|ing)?|hear(?:s|d|ing)?)\b/i,
    'code is not a person: returns, emits, sends, requests, receives, reports, states',
  ),
  rule(
    /(?<!\b(?:place|file|folder|directory|line|column|position|point|from|to|of|see|shows?|exactly|find) )\bwhere (?:there|it|no|none|nobody|nothing|neither|only|one|an?|any|each|some|they|that|what|this|those|these)\b/i,
    'write "if"; for a place, name the place: "the file that …"',
  ),
  rule(
    /(?<!\bthere )\b(?:is|are|was|were|be) no (?!longer|more|later|earlier|less|fewer|larger|smaller|greater|higher|lower|better|worse|different)\w+/i,
    'write "is not a …"',
  ),
  rule(
    /(?<!\bthere )\b(?:is|are|was|were) none\b|\bnone such\b|\bsuch a one\b/i,
    'write "is not a …" or name what is missing',
  ),
  rule(/\banew\b/i, 'write "again" or "from the beginning"'),
  rule(/\blately\b/i, 'write "recently"'),
  rule(/\b(?:whoever|whomever|whom|whosoever)\b/i, 'name the noun: "callers", "users"'),
  rule(/\bwhatever\b/i, 'write "any …", "regardless of …" or "everything that …"'),
  rule(/\bbe (?:it|they)\b/i, 'write "even if" or "whether"'),
  rule(/\bfor ever\b/i, 'write "always", "indefinitely" or "forever"'),
  rule(/\bof the moment\b/i, 'write "current"'),
  rule(/\bof (?:before|former times|old)\b/i, 'write "previous"'),
  rule(/\b(?:meanwhile|whilst)\b/i, 'write "in the meantime", "while …" or "during …"'),
  rule(
    /\b(?:nobody|somebody|everybody|anybody)\b/i,
    'name the noun: "no user", "another caller", "all subjects"',
  ),
  rule(/\bmoving house\b/i, 'write "import and export"'),
  rule(/\b(?:is|are|was|were|those) gone\b/, 'write "removed", "closed" or "missing"'),
  rule(
    /, else\b|(?<!\b(?:any|every|no|some)(?:thing|one|where) )\belse(?=[.;:,)])/i,
    'write "otherwise"',
  ),
  rule(/\bin vain\b/i, 'write "without success" or state what failed'),
  rule(/\bhardly meant\b/i, 'write "probably unintended"'),
  rule(/\blet be\b/i, 'write "leave alone" or "unchanged"'),
  rule(/\b(?:makes?|made|making) do\b|\bhas to do(?! with)\b/i, 'write "falls back to"'),
  rule(/\bat the (?:most|least)\b(?! recent)/i, 'write "at most" or "at least"'),
  rule(/\bwants?\b/i, 'write "expects", "needs" or "requires"'),
  rule(/\blearn(?:s|t|ed)\b/i, 'write "receives", "reads" or "finds out"'),
  rule(/\bbut for\b/i, 'write "except for"'),
  rule(/\bbe had\b/i, 'write "available"'),
  rule(/\b(?:is|are|was|were) to be\b/i, 'write "must be" or "is"'),
  rule(/\b(?:goes|go|went|gone|going) on\b/i, 'write "continues"'),
  rule(
    /\b(?:stands?|stood) (?:on|in|at|there|behind|beside|alone|before|first|open|as)\b/i,
    'write "is" or "depends on"',
  ),
  rule(/\btroubles?\b/i, 'write "error", "failure" or "problem"'),
  rule(/(?<!-)\bstandings?\b/i, 'write "state" or "status"'),
  rule(/\bof the house\b/i, 'name what you mean'),
  rule(/\bdoors?\b/i, 'write "route", "endpoint" or "adapter"'),
];

/** No word of a name in code may be one of these: neither `tellAll` nor `TELL_ALL` nor `tell_all`. */
export const WORDS_GONE: readonly RegExp[] = [
  /^(?:answer|answers|answered|ask|asks|asked|asking|hear|hears|heard)$/,
  /^(?:say|says|said|tell|tells|told)$/,
  /^(?:anew|facts|kept|laid|lay|news|otherwise|standing|trouble|whom)$/,
];

/** No name in code may be one of these. */
export const NAMES_GONE: readonly RegExp[] = [
  /^(?:Facts|Feed|Fields|Keeper|Life|Live|Means|Named|Noun|Pace|Parts|Place)$/,
  /^(?:Stage|Teller|Wait|Way|Word|World)$/,
];

/** Fields of the API that would otherwise be refused. Their names cannot change. */
export const API_FIELDS = /^(?:heardSecondsAgo)$/;

/** What to do about a name. */
export const NAME_REMEDY = 'name the role in standard terms: see docs/glossary.md';

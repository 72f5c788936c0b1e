/** A verb in another form than the imperative: "added", "adding", "adds". */
const OTHER_FORMS = /^(?:\w+(?:ed|ing)|\w+[^aiou\Ws]s)$/i;

/** Imperatives that look like another form. */
const IMPERATIVES = new Set(
  'bring embed exceed feed need ping proceed seed shed speed spring string'.split(' '),
);

/** First words that are not verbs. */
const NOT_VERBS = new Set(
  'a all an and another at both but each every for from if in it its more new no not nothing now of on one only some the these this to two we when with'.split(
    ' ',
  ),
);

const LONGEST = 72;

const isImperative = (word: string): boolean =>
  IMPERATIVES.has(word) || !(NOT_VERBS.has(word) || OTHER_FORMS.test(word));

/** Returns what is wrong with the subject of a commit: `sync: resume after a gap` is a good one. */
export const subjectProblems = (subject: string): string[] => {
  if (subject.startsWith('Revert "')) return [];
  const [, part, first = ''] = /^([a-z\d][a-z\d ,./-]*): ([\w-]+)/.exec(subject) ?? [];
  return [
    ...(subject.length > LONGEST
      ? [`${subject.length} characters: at most ${LONGEST}; the reason belongs in the body`]
      : []),
    ...(part === undefined ? ['no part in front: begin with "part: "'] : []),
    ...(part !== undefined && first !== first.toLowerCase()
      ? ['write the verb in lower case']
      : []),
    ...(part !== undefined && !isImperative(first.toLowerCase())
      ? [`"${first}" is not an imperative: write what the commit does, such as "add" or "fix"`]
      : []),
    ...(subject.endsWith('.') ? ['no full stop at the end'] : []),
  ];
};

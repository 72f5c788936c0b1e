const pairsOf = (text: string): string[] => {
  const letters = text.toLowerCase().replaceAll(/[-_]/g, '');
  return Array.from(letters.slice(1), (letter, index) => `${letters[index]}${letter}`);
};

/** Returns how similar two names are, from 0 to 1: the share of pairs of adjacent letters that both have. */
const similarity = (a: string, b: string): number => {
  const pairs = pairsOf(b);
  const shared = pairsOf(a).filter(pair => pairs.includes(pair)).length;
  return (2 * shared) / (a.length + b.length - 2);
};

/** Returns what is wrong with the names of options, or undefined if all are known. */
export const unknownOption = (options: object, known: readonly string[]): string | undefined => {
  const name = Object.keys(options).find(given => !known.includes(given));
  if (name === undefined) return undefined;
  const nearest = known.reduce((a, b) => (similarity(name, b) > similarity(name, a) ? b : a));
  return similarity(name, nearest) < 0.5
    ? `there is no option "${name}"; the options are ${known.join(', ')}`
    : `there is no option "${name}"; did you mean "${nearest}"?`;
};

/** The p-values of a family, adjusted in three ways, each in the order given. */
export type AdjustedPValues = {
  readonly holm: number[];
  readonly benjaminiHochberg: number[];
  readonly bonferroni: number[];
};

type Ranked = { readonly pValue: number; readonly at: number };

/** Controls the family-wise error rate for any dependence between the p-values. */
export const holm = (pValues: readonly number[]): number[] => {
  const adjusted = Array.from(pValues);
  let largest = 0;
  for (const [rank, { pValue, at }] of ascending(pValues).entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * pValue));
    adjusted[at] = largest;
  }
  return adjusted;
};

/** Controls the share of false discoveries. */
export const benjaminiHochberg = (pValues: readonly number[]): number[] => {
  const adjusted = Array.from(pValues);
  let smallest = 1;
  for (const [rank, { pValue, at }] of ascending(pValues).toReversed().entries()) {
    smallest = Math.min(smallest, (pValues.length / (pValues.length - rank)) * pValue);
    adjusted[at] = smallest;
  }
  return adjusted;
};

const ascending = (pValues: readonly number[]): Ranked[] =>
  pValues
    .map((pValue, at) => ({ pValue, at }))
    .toSorted((first, second) => first.pValue - second.pValue);

/** Adjusts the p-values of one family for their number. */
export const adjust = ({ pValues }: { readonly pValues: readonly number[] }): AdjustedPValues => ({
  holm: holm(pValues),
  benjaminiHochberg: benjaminiHochberg(pValues),
  bonferroni: pValues.map(pValue => Math.min(1, pValues.length * pValue)),
});

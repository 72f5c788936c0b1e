/** Returns the logarithm of the mean of numbers that are given as logarithms, without overflow. */
export const lnMean = (logarithms: readonly number[]): number => {
  const largest = Math.max(...logarithms);
  if (!Number.isFinite(largest)) return largest;
  const sum = logarithms.reduce((total, each) => total + Math.exp(each - largest), 0);
  return largest + Math.log(sum / logarithms.length);
};

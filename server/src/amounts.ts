/** How much of something each key uses. A key that uses nothing takes no memory. */
export type Amounts = {
  of(key: string): number;
  add(key: string, amount: number): void;
};

export const createAmounts = (): Amounts => {
  const amounts = new Map<string, number>();
  const of = (key: string) => amounts.get(key) ?? 0;
  return {
    of,
    add(key, amount) {
      const next = of(key) + amount;
      if (next === 0) amounts.delete(key);
      else amounts.set(key, next);
    },
  };
};

/** How much of something each key uses. A key that uses nothing takes no memory. */
export type Usage = {
  of(key: string): number;
  add(key: string, amount: number): void;
};

export const createUsage = (): Usage => {
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

/** Returns a time as an input of the zone of the browser takes it. */
export const localTime = (instant: string | undefined): string => {
  if (instant === undefined) return '';
  const time = new Date(instant);
  const minutes = time.getTimezoneOffset();
  return new Date(time.getTime() - minutes * 60_000)
    .toISOString()
    .slice(0, 'yyyy-mm-ddThh:mm'.length);
};

/** Scrolls a list of links to the current one, because a narrow window has room for some of them only. */
export const showCurrent = (links: HTMLElement | null): void =>
  links
    ?.querySelector('[aria-current]')
    ?.scrollIntoView({ block: 'nearest', inline: 'center', behavior: 'instant' });

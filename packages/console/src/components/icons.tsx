export const BrandMark = () => (
  <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
    <path className="mark-pole" d="M6 3v26" />
    <path className="mark-flag" d="M8 5h20l-6 6 6 6H8z" />
  </svg>
);

export const Magnifier = () => (
  <svg className="magnifier" viewBox="0 0 16 16" aria-hidden="true">
    <circle cx="7" cy="7" r="4" />
    <path d="M10 10l4 4" />
  </svg>
);

export const Chevron = () => (
  <svg className="chevron" viewBox="0 0 16 16" aria-hidden="true">
    <path d="M4 6l4 4 4-4" />
  </svg>
);

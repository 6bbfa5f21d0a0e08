'use strict';
{
  const table = document.getElementById('class-table');
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const lowIsBad = new Set(['AP', 'AP50', 'AP75', 'PQ', 'SQ', 'RQ', 'Class']); // ascending at the first click

  function value(row, column) {
    const cell = row.cells[column];
    if (column === 0) return cell.textContent;
    return 'v' in cell.dataset ? Number(cell.dataset.v) : null;
  }

  function sort(column) {
    const head = heads[column];
    const before = head.getAttribute('aria-sort');
    let direction = lowIsBad.has(head.textContent) ? 'ascending' : 'descending';
    if (before !== 'none') direction = before === 'ascending' ? 'descending' : 'ascending';
    heads.forEach(h => h.setAttribute('aria-sort', h === head ? direction : 'none'));
    const sign = direction === 'ascending' ? 1 : -1;
    const rows = [...body.rows].map(row => [value(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // undefined ones last
      return sign * (column === 0 ? a.localeCompare(b, 'en', { numeric: true }) : a - b);
    });
    body.append(...rows.map(([, row]) => row));
  }

  heads.forEach((head, column) => head.firstElementChild.addEventListener('click', () => sort(column)));
  document.getElementById('filter').addEventListener('input', event => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const row of body.rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  });
  body.addEventListener('click', event => {
    const link = event.target.closest('[data-class]');
    if (link) choose(Number(link.dataset.class));
  });
}

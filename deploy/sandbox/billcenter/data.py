"""Billcenter's made-up directory: categories, services, bank accounts, customers and addresses.

Everything is derived from small numbers, so that it is the same in every run:

- service 140 takes a VAT receipt and has one account, 9001400001; 201 to 248 have one account each
- service 1 is the electricity network with nine branches: accounts 9000010001 to 9000010009, khut_type 1 to 9
- service 57 has two accounts that nothing tells apart, service 99 has none; any other id is unknown
"""

from typing import Any

from deploy.sandbox.wire import Seen

ORDINARY_SERVICE = 140
NETWORK_SERVICE = 1
AMBIGUOUS_SERVICE = 57
SERVICE_WITHOUT_ACCOUNT = 99
_OTHERS = range(201, 249)
_MOMENT = "2026-01-05T08:00:00.000000Z"

CATEGORIES = [
    {"id": number, "name": name, "code": code, "icon": icon, "position": number, "is_active": True}
    for number, name, code, icon in (
        (2, "Орон сууц", "APA", "fas fa-tint"),
        (3, "Дулаан", "HEA", "fas fa-tint"),
        (4, "Интернет", "INT", "fas fa-tint"),
        (5, "СӨХ", "SUH", "fas fa-tint"),
        (6, "Хог", "WAS", "fas fa-tint"),
        (7, "Харилцаа Холбоо", "TEL", "fas fa-tint"),
        (1, "Цахилгааны", "ELE", "fas fa-bolt"),
        (10, "Төрийн үйлчилгээ", "GVS", "fas fa-tint"),
    )
]


def services() -> dict[int, dict[str, Any]]:
    """All services by id: 52 of them."""
    numbers = (NETWORK_SERVICE, AMBIGUOUS_SERVICE, SERVICE_WITHOUT_ACCOUNT, ORDINARY_SERVICE, *_OTHERS)
    return {number: _service(number) for number in numbers}


def _service(number: int) -> dict[str, Any]:
    network = number == NETWORK_SERVICE
    category = 1 if network else 4 if number == ORDINARY_SERVICE else 2 + number % 6
    code = next(entry["code"] for entry in CATEGORIES if entry["id"] == category)
    return {
        "id": number,
        "service_name": "Туршилтын цахилгаан түгээх сүлжээ" if network else f"Туршилтын үйлчилгээ {number}",
        "service_code": f"{code}{number:012d}",
        "billing_type": "recurring",
        "biller_service_type": "edimis" if network else "third",
        "alt_id": None,
        "with_noat": network or number == ORDINARY_SERVICE,
        "posapi_three": False,
        "aimag_khot": None,
        "sum_duureg": None,
        "created_at": None,
        "updated_at": None,
        "is_active": True,
        "biller": 1 + number % 30,
        "biller_category": category,
    }


def accounts() -> list[dict[str, Any]]:
    """The 60 bank accounts of a fresh sandbox, by id."""
    pairs: list[tuple[int, int | None]] = [(NETWORK_SERVICE, branch) for branch in range(1, 10)]
    pairs += [(AMBIGUOUS_SERVICE, None), (AMBIGUOUS_SERVICE, None), (ORDINARY_SERVICE, None)]
    pairs += [(number, None) for number in _OTHERS]
    rows: list[dict[str, Any]] = []
    for service, branch in pairs:
        nth = 1 + sum(row["biller_service"] == service for row in rows)
        rows.append(account(len(rows) + 11, service, f"90{service:04d}{nth:04d}", branch))
    return rows


def account(row_id: int, service: int, number: str, khut_type: int | None = None) -> dict[str, Any]:
    """A row of `bank_accounts`."""
    return {
        "id": row_id,
        "khut_type": khut_type,
        "account": number,
        "bank_code": "50000",
        "bank_name": "Туршилтын банк",
        "account_name": None,
        "currency": "MNT",
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
        "biller_service": service,
    }


def customer(service: dict[str, Any], code: str, register: str = "", phone_number: str = "") -> dict[str, Any]:
    """A customer of that service. `adderss` is written as in the document."""
    brief = {key: value for key, value in service.items() if key != "posapi_three"}
    return {
        "id": 1_000_000 + service["id"],
        "bs_customer_code": code,
        "active": True,
        "first_name": "ТУРШИЛТ",
        "last_name": "ХЭРЭГЛЭГЧ",
        "additional": None,
        "register": register or "ТТ00000001",
        "email": "customer@example.com",
        "phone_number": phone_number or "00000001",
        "additional_phone_number": None,
        "address_id": 1,
        "address_description": "Туршилтын гудамж 1",
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
        "is_agree": False,
        "biller_service": brief,
        "adderss": None,
    }


def customer_at(address: dict[str, str]) -> dict[str, Any]:
    """An entry of `by_address`. `Dun` is a JSON number, as in the document."""
    return {
        "BillerID": "1",
        "BillerName": "Туршилтын ХХК",
        "CustomerCode": "10000001",
        "CustomerName": "Т*ш*",
        "CustomerMobile": "00000001",
        "CustomerShortAddress": "",
        "CusAimagID": "01",
        "CusAimagName": address.get("AimagName", ""),
        "CusSymName": address.get("SymName", ""),
        "CusHorooID": "01",
        "CusHorooName": address.get("HorooName", ""),
        "CusBairID": "0001",
        "CusBairName": address.get("BairName", ""),
        "Toot": address.get("Toot") or "1",
        "Dun": -0.43,
        "BillMonth": "202601",
    }


def address_list(level: int) -> list[dict[str, str]]:
    """Names of one level (0 province to 4 door). The document shows no answer: this shape is our reading."""
    kind = ("Аймаг", "Сум", "Хороо", "Байр", "Тоот")[level]
    return [{"ID": f"{number:02d}", "Name": f"Туршилтын {kind} {number}"} for number in (1, 2, 3)]


def receipt(number: int, seen: Seen, service: int, *, amount: str, vat: str, total: str, at: str) -> dict[str, Any]:
    """The answer of `nuat_paid_invoice` for the request `seen`."""
    data = seen.data or {}
    bill_id = f"{number:033d}"
    lottery = f"TT {number % 10**8:08d}"
    return {
        "id": number,
        "customer_id": 1,
        "biller_service_customer_id": 1,
        "customer_name": "",
        "biller_service_id": service,
        "payment_id": number,
        "register": data.get("noat_register") or "0000000",
        "active_month": int(at[5:7]),
        "posapi_tdd": bill_id,
        "lottery": lottery,
        "qrdt": bill_id * 9,
        "amount": amount,
        "vat": vat,
        "total_amount": total,
        "transaction_date": at,
        "transaction_id": "",
        "bill_month": None,
        "active": True,
        "register_date": at,
        "ntype": "",
        "qpayment_id": None,
        "aan_type": 1,
        "aan_reg": "",
        "meta_data": {
            "mware": {
                "vat": vat,
                "date": at,
                "bills": [],
                "amount": total,
                "billId": bill_id,
                "qrData": bill_id * 9,
                "stocks": [],
                "cityTax": "0.00",
                "lottery": lottery,
                "success": True,
                "billType": "3" if data.get("noat_register") else "1",
                "cashAmount": total,
                "customerNo": "",
                "merchantId": "0000000",
                "internalCode": "0" * 52,
                "nonCashAmount": "0.00",
                "bankTransactions": [],
            },
            "pdfUrl": f"http://127.0.0.1/receipts/{number}.pdf",
        },
        "created_at": at,
        "updated_at": at,
        "mail": bool(data.get("email")),
    }
